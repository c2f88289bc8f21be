"""Make and edit images, with any server that speaks the OpenAI Images API.

Examples:
  imagecli gen "a red fox in the snow" --profile sandbox
  imagecli edit photo.jpg "the same place in winter" -o winter.png
  imagecli batch run prompts.txt -o out/

`imagecli help COMMAND` shows all that a command takes.
"""

# A command is a module here, or in the package of its group. Its run(typed, renderer) takes options, calls and renders:
# nothing here prints, or opens a file. The docstring of a run, or of a group's package as this one, is the help.
