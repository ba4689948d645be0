"""Reads the text on a picture of the kernel's framebuffer console, cell by cell.

The glyphs are drawn here as the kernel draws them, from the strokes in drivers/char/font.c.
"""
import re

from nos import build

WIDTH, HEIGHT = 8, 16
SOURCE = build.ROOT / "drivers/char/font.c"


def draw_line(dots, start, end):
    """Bresenham's line, by the error of the longer axis."""
    (x, y), (dx, dy) = start, (end[0] - start[0], end[1] - start[1])
    steps = max(abs(dx), abs(dy))
    x_error = y_error = steps // 2
    dots.add((x, y))
    for _ in range(steps):
        x_error += abs(dx)
        y_error += abs(dy)
        if x_error >= steps:
            x_error -= steps
            x += (dx > 0) - (dx < 0)
        if y_error >= steps:
            y_error -= steps
            y += (dy > 0) - (dy < 0)
        dots.add((x, y))


def glyphs():
    """{set of dots: character}"""
    found = {}
    for character, strokes in re.findall(r"\['(\\?.)' - FIRST\] = \"(.*?)\"", SOURCE.read_text()):
        dots = set()
        for stroke in strokes.split():
            points = [(int(x, 16), int(y, 16)) for x, y in zip(stroke[::2], stroke[1::2])]
            for start, end in zip(points, points[1:] if len(points) > 1 else points):
                draw_line(dots, start, end)
        found[frozenset(dots)] = character[-1]
    return found


def read_text(path, scale=1):
    """The lines on the picture, and the colour of each character: [(text, [colour, ...]), ...].

    Each dot of a glyph is @scale pixels wide and high. A cell that holds no character of the font is read as U+FFFD. The cursor's underline is ignored.
    """
    from PIL import Image

    image = Image.open(path).convert("RGB")
    image = image.resize((image.width // scale, image.height // scale), Image.NEAREST)
    known = glyphs()
    lines = []
    for top in range(0, image.height - HEIGHT + 1, HEIGHT):
        text, colours = "", []
        for left in range(0, image.width - WIDTH + 1, WIDTH):
            cell = image.crop((left, top, left + WIDTH, top + HEIGHT)).load()
            ink = {(x, y): cell[x, y] for y in range(HEIGHT) for x in range(WIDTH) if cell[x, y] != (0, 0, 0)}
            if all((x, y) in ink for x in range(WIDTH) for y in (HEIGHT - 2, HEIGHT - 1)):
                ink = {place: colour for place, colour in ink.items() if place[1] < HEIGHT - 2}
            text += known.get(frozenset(ink), "\ufffd")
            colours.append(next(iter(ink.values()), (0, 0, 0)))
        lines.append((text.rstrip(), colours))
    return lines
