"""A bar chart of the ratios, as SVG: the line in the middle is Linux, bars to the right are nos ahead."""
import html
import math

ROW_HEIGHT, LEFT, WIDTH, TOP = 20, 330, 640, 44
DECADES = 2  # the axis runs from 1/100 to 100, by powers of ten


def position(ratio):
    clipped = min(max(math.log10(ratio), -DECADES), DECADES)
    return LEFT + WIDTH * (clipped + DECADES) / (2 * DECADES)


def axis(height):
    for power in range(-DECADES, DECADES + 1):
        x = position(10 ** power)
        label = f"{10 ** power}x" if power >= 0 else f"1/{10 ** -power}"
        yield (f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{height}" stroke="#ddd"/>'
               f'<text x="{x}" y="{TOP - 6}" text-anchor="middle" fill="#666">{label}</text>')


def bar(line, y):
    middle, end = position(1), position(line.ratio)
    colour = "#c54" if line.ratio < 1 else "#2a7"
    yield (f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{html.escape(line.row.title)}</text>'
           f'<rect x="{min(middle, end):.1f}" y="{y}" width="{abs(end - middle):.1f}" '
           f'height="{ROW_HEIGHT - 6}" fill="{colour}"/>'
           f'<text x="{max(middle, end) + 6:.1f}" y="{y + 12}">{line.ratio:.2f}</text>')
    if line.row.target:
        x = position(line.row.target)
        yield f'<line x1="{x:.1f}" y1="{y - 2}" x2="{x:.1f}" y2="{y + ROW_HEIGHT - 4}" stroke="black"/>'


def draw(lines, title):
    shown = [line for line in lines if line.ratio]
    height = TOP + ROW_HEIGHT * (len(shown) + 1)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" '
             f'height="{height}" font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="8" y="16">nos beside Linux, by the clock: right of the line nos is ahead; '
             f'black ticks are targets.</text><text x="8" y="32" fill="#666">{html.escape(title)}</text>',
             *axis(height)]
    for number, line in enumerate(shown):
        parts += bar(line, TOP + ROW_HEIGHT * number + 6)
    middle = position(1)
    parts.append(f'<line x1="{middle}" y1="{TOP}" x2="{middle}" y2="{height}" stroke="#666"/></svg>')
    return "\n".join(parts) + "\n"
