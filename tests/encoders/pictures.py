"""Small pictures: a colour and a pattern in, PNG bytes out."""

from io import BytesIO

from PIL import Image, ImageDraw


def picture(colour: str, striped: bool = False, side: int = 32) -> bytes:
    image = Image.new("RGB", (side, side), colour)
    if striped:
        for x in range(0, side, 4):
            ImageDraw.Draw(image).rectangle((x, 0, x + 1, side), fill="black")
    data = BytesIO()
    image.save(data, "PNG")
    return data.getvalue()
