#!/usr/bin/env python3
"""Draws the README's chart of speed, speed.svg, from the measured ratios in speed.tsv.

    python3 docs/pictures/speed_chart.py

The chart has its own background, so it is legible in light and dark themes.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
WIDTH, HEIGHT = 720, 500
LEFT, RIGHT, TOP, BOTTOM = 180, 70, 70, 20
BAR, GAP = 15, 3
COLOURS = ("#b4531a", "#6f685f", "#b9b1a6")
FONT = 'font-family="system-ui, sans-serif"'


def read(path: Path) -> tuple[list[str], list[tuple[str, list[float | None]]]]:
    """Returns the types of files, and each row's name and ratios. A ratio that was not measured is None."""
    lines = [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return lines[0][1:], [(line[0], [float(ratio) if ratio else None for ratio in line[1:]]) for line in lines[1:]]


def text(x: float, y: float, content: str, size: int = 14, anchor: str = "start", extra: str = "") -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" {FONT} font-size="{size}" text-anchor="{anchor}" fill="#221f1b"{extra}>'
        f"{content}</text>"
    )


def chart(types: list[str], rows: list[tuple[str, list[float | None]]]) -> str:
    scale = (WIDTH - LEFT - RIGHT) / max(ratio for _, ratios in rows for ratio in ratios if ratio)
    step = (HEIGHT - TOP - BOTTOM) / len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'role="img" aria-label="Speed as a multiple of llama.cpp\'s, by workload and type of file">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#faf8f5"/>',
        text(20, 28, "Speed as a multiple of llama.cpp's, on the same file", 16, extra=' font-weight="600"'),
    ]
    for number, name in enumerate(types):
        x = 20 + number * 120
        parts.append(f'<rect x="{x}" y="42" width="12" height="12" fill="{COLOURS[number]}"/>')
        parts.append(text(x + 18, 53, name))
    for row, (name, ratios) in enumerate(rows):
        bars = [(number, ratio) for number, ratio in enumerate(ratios) if ratio]
        y = TOP + row * step + (step - len(bars) * (BAR + GAP)) / 2
        parts.append(text(LEFT - 12, TOP + (row + 0.5) * step + 5, name, anchor="end"))
        for place, (number, ratio) in enumerate(bars):
            top = y + place * (BAR + GAP)
            parts.append(
                f'<rect x="{LEFT}" y="{top:.1f}" width="{ratio * scale:.1f}" height="{BAR}" fill="{COLOURS[number]}"/>'
            )
            parts.append(text(LEFT + ratio * scale + 8, top + 13, f"{ratio:.2f}×", 13))
    # As fast as llama.cpp.
    x = LEFT + scale
    parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#221f1b" stroke-dasharray="4 3"/>')
    parts.append(text(x, HEIGHT - 5, "as fast as llama.cpp", 12, "middle"))
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    (FOLDER / "speed.svg").write_text(chart(*read(FOLDER / "speed.tsv")))
