"""What made an image: written into its file or beside it, and read from it.

making.py    what is written down: the request behind one image, without keys, users and paths
xmp.py       XMP packets: made, added to, and read without trusting them
blocks.py    what a file holds besides its pixels: texts, XMP, EXIF's comments, C2PA's manifests
splicing.py  a packet into a PNG, JPEG, WebP or GIF whose pixels are not touched
recipes.py   what programs leave in a file: imagecli, AUTOMATIC1111, ComfyUI, InvokeAI, NovelAI, stable-diffusion.cpp
c2pa.py      content credentials: who says that it made the image, and whether that is valid
reading.py   all of it, read from one file
"""
