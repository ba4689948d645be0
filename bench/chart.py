"""A bar chart of the ratios, as SVG: the line in the middle is Linux, bars to the right are nos ahead."""
import html
import math

ROW_HEIGHT, LEFT, WIDTH = 22, 220, 720
DECADES = 2  # the axis runs from 1/100 to 100, by powers of ten


def position(ratio):
    clipped = min(max(math.log10(ratio), -DECADES), DECADES)
    return LEFT + WIDTH * (clipped + DECADES) / (2 * DECADES)


def draw(table):
    rows = [entry for entry in table if entry.get("ratio")]
    height = ROW_HEIGHT * (len(rows) + 2)
    middle = position(1)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" '
             f'height="{height}" font-family="sans-serif" font-size="12">',
             f'<rect width="100%" height="100%" fill="white"/>']
    for power in range(-DECADES, DECADES + 1):
        x = position(10 ** power)
        label = f"{10 ** power}x" if power >= 0 else f"1/{10 ** -power}"
        parts.append(f'<line x1="{x}" y1="20" x2="{x}" y2="{height}" stroke="#ddd"/>'
                     f'<text x="{x}" y="14" text-anchor="middle" fill="#666">{label}</text>')
    for number, entry in enumerate(rows):
        y = ROW_HEIGHT * (number + 1) + 6
        end = position(entry["ratio"])
        colour = "#2a7" if entry["ratio"] >= 1 else "#c54"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">'
                     f'{html.escape(entry["row"])}</text>'
                     f'<rect x="{min(middle, end):.1f}" y="{y}" width="{abs(end - middle):.1f}" '
                     f'height="{ROW_HEIGHT - 6}" fill="{colour}"/>'
                     f'<text x="{max(middle, end) + 4:.1f}" y="{y + 12}">'
                     f'{entry["ratio"]:.2f}</text>')
    parts.append(f'<line x1="{middle}" y1="20" x2="{middle}" y2="{height}" stroke="black"/></svg>')
    return "\n".join(parts) + "\n"
