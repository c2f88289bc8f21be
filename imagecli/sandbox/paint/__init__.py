"""The sandbox's images: scenes composed from a prompt, drawn as pixels or as SVG."""
