"""Edits photographs with every kind of mask flag in the sandbox and lays them out in one picture, to be looked at.

python bench/sheet.py [sheet.png] [folder with the photographs]
python bench/sheet.py docs [folder]     the pictures of docs/masks.md, each of the command that stands above it
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

ROOT = Path(__file__).resolve().parent.parent
PHOTOS = ROOT.parent / "shared" / "photos"
PAGE = ROOT / "docs" / "masks.md"
SHOWN = re.compile(r"^imagecli edit (?P<command>.*)\n```\n\n!\[.*?\]\((?P<picture>.*?)\)$", re.MULTILINE)
"""A command of the page, and the picture of it."""
HEIGHT, SPACE, QUALITY = 240, 12, 78
COLUMNS = ("the photograph", "--mask-preview", "what is sent", "the mask that is sent", "the result")
EDITS = (
    ("astronaut.png", "a blue balloon", "--mask-rect 60%,5%,35%,40% -m dall-e-2"),
    ("chelsea.png", "a red hat on the cat", "--mask-ellipse 130,0,190,120 --mask-feather 20 -m dall-e-2"),
    ("coffee.png", "a green table", "--mask-color #7c3a1a:48 -m dall-e-2"),
    ("rocket.jpg", "a purple evening", "--mask-color black:40 --mask-feather 3"),
    ("rocket.jpg", "an orange desert", "--mask-ellipse 40%,10%,22%,80% --mask-invert --mask-feather 25"),
    ("coffee.png", "yellow flowers", "--mask-rect -160,0,160,100% --mask-rect 0,0,25%,30% --fit crop -m dall-e-2"),
    ("hubble_deep_field.jpg", "a white comet", "--mask-ellipse 15%,15%,30%,30% --no-keep -m dall-e-2"),
    ("turned.jpg", "a pink wall", "--mask-rect 0,0,45%,30% -m dall-e-2"),
    ("coffee.png", "a blue carpet", "--expand left=256 --expand top=20%"),
    ("chelsea.png", "green grass", "--expand all=25% --restore size -m dall-e-2"),
    ("astronaut.png", "silver stars", "--expand right=60% --mask-rect 0,0,35%,30% --no-keep"),
    ("coffee.png", "violet waves", "--mask FILE --keep --mask-feather 10"),
)


def run(*arguments: str) -> None:
    """Run imagecli in the sandbox; its errors are the script's."""
    subprocess.run([sys.executable, "-m", "imagecli", *arguments], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def capture(photo: Path, prompt: str, flags: list[str]) -> tuple[Image.Image, Image.Image]:
    """Return the picture and the mask as an edit uploads them."""
    sys.path.insert(0, str(ROOT))
    from imagecli.config.settings import load
    from imagecli.images.reading import read_input
    from imagecli.inputs import Inputs
    from imagecli.plan import plan
    from imagecli.plan.intent import check

    typed: dict[str, object] = {"profile": "sandbox"}
    words = iter(flags)
    for word in words:
        name = {"-m": "model"}.get(word, word.removeprefix("--").replace("-", "_"))
        if name in {"keep", "no_keep", "mask_invert"}:
            typed[name.removeprefix("no_")] = not name.startswith("no_")
        elif name in {"mask_rect", "mask_ellipse", "mask_color", "expand"}:
            typed.setdefault(name, []).append(next(words))  # type: ignore[attr-defined] # a list
        else:
            typed[name] = int(value) if (value := next(words)).isdigit() else value
    mask = typed.pop("mask", None)
    inputs = Inputs(prompt, (read_input(str(photo)),), read_input(str(mask)) if mask else None)
    [(request, _)] = plan(check("edit", load(typed, {}, command="edit"), inputs)).requests
    files = [part.upload.data for part in request.files]
    return _opened(files[0]), _opened(files[1])


def _opened(data: bytes) -> Image.Image:
    import io

    return Image.open(io.BytesIO(data))


def on_checks(image: Image.Image) -> Image.Image:
    """Return a picture on a chequered ground, which shows where it is transparent."""
    image = ImageOps.exif_transpose(image)
    if "A" not in image.getbands():
        return image.convert("RGB")
    ground = Image.new("RGB", image.size, (205, 205, 205))
    step = max(4, max(image.size) // 32)
    draw = ImageDraw.Draw(ground)
    for x in range(0, image.width, step):
        for y in range(0, image.height, step):
            if (x // step + y // step) % 2:
                draw.rectangle((x, y, x + step - 1, y + step - 1), fill=(245, 245, 245))
    ground.paste(image.convert("RGB"), (0, 0), image.getchannel("A"))
    return ground


def illustrate(photos: Path) -> None:
    """Write the pictures of docs/masks.md: the photograph, the mask, the result."""
    with tempfile.TemporaryDirectory() as folder:
        for shown in SHOWN.finditer(PAGE.read_text("utf-8")):
            name, prompt, *flags = shlex.split(shown["command"], comments=True)
            look, result = Path(folder, "look.png"), Path(folder, "result.png")
            run("edit", str(photos / name), *flags, "--mask-preview", str(look), "--force")
            run("edit", str(photos / name), prompt, *flags, "-o", str(result), "--force", "--profile", "sandbox")
            row = [Image.open(path).convert("RGB") for path in (photos / name, look, result)]
            row = [image.resize((round(image.width * HEIGHT / image.height), HEIGHT)) for image in row]
            sheet = Image.new("RGB", (sum(image.width + SPACE for image in row) - SPACE, HEIGHT), "white")
            left = 0
            for image in row:
                sheet.paste(image, (left, 0))
                left += image.width + SPACE
            target = PAGE.parent / shown["picture"]
            target.parent.mkdir(exist_ok=True)
            sheet.save(target, quality=QUALITY, method=6)
            print(target, f"{target.stat().st_size:,} bytes")


def main() -> None:
    """Write the sheet."""
    if sys.argv[1:2] == ["docs"]:
        return illustrate(Path(sys.argv[2]) if len(sys.argv) > 2 else PHOTOS)  # noqa: PLR2004 - the second argument
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "sheet.png").absolute()
    photos = Path(sys.argv[2]) if len(sys.argv) > 2 else PHOTOS  # noqa: PLR2004 - the second argument
    sys.path.insert(0, str(ROOT))
    from imagecli.images.contact_sheet import ContactSheet

    with tempfile.TemporaryDirectory() as folder, ContactSheet("png", across=len(COLUMNS)) as sheet:
        work = Path(folder)
        turned = Image.Exif()
        turned[0x0112] = 6
        Image.open(photos / "rocket.jpg").save(work / "turned.jpg", exif=turned, quality=92)
        for row, (name, prompt, text) in enumerate(EDITS):
            photo = work / name if (work / name).exists() else photos / name
            image = ImageOps.exif_transpose(Image.open(photo))
            waves = Image.radial_gradient("L").point(lambda value: 255 * (value // 24 % 2)).resize(image.size)
            waves.save(work / "mask.png")
            flags = [str(work / "mask.png") if word == "FILE" else word for word in shlex.split(text, comments=False)]
            look, result = work / f"{row}-mask.png", work / f"{row}.png"
            run("edit", str(photo), *flags, "--mask-preview", str(look))
            run("edit", str(photo), prompt, *flags, "-o", str(result), "--profile", "sandbox")
            shown = [image, Image.open(look), *capture(photo, prompt, flags), Image.open(result)]
            for column, (title, each) in enumerate(zip(COLUMNS, shown, strict=True)):
                on_checks(each).save(work / "cell.png")
                caption = text if column else f"{name}: {prompt}"
                sheet.add((row, column), str(work / "cell.png"), f"{title}, {each.width}x{each.height}", caption)
        [page] = sheet.pages()
        target.write_bytes(page)
    return print(target)


if __name__ == "__main__":
    main()
