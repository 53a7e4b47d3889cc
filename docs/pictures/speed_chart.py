#!/usr/bin/env python3
"""Draws the README's chart of speed, speed.svg, from the measured figures in speed.tsv.

    python3 docs/pictures/speed_chart.py

The chart has its own background, so it is legible in light and dark themes.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 110, 120, 70, 20
BAR, GAP = 18, 4
COLOURS = ("#b4531a", "#6f685f", "#b9b1a6")
FONT = 'font-family="system-ui, sans-serif"'


def read(path: Path) -> tuple[list[str], list[tuple[str, list[float]]]]:
    """Returns the names of the servers, and for each number of streams their tokens per second."""
    lines = [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return lines[0][1:], [(line[0], [float(figure) for figure in line[1:]]) for line in lines[1:]]


def text(x: float, y: float, content: str, size: int = 14, anchor: str = "start", extra: str = "") -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" {FONT} font-size="{size}" text-anchor="{anchor}" fill="#221f1b"{extra}>'
        f"{content}</text>"
    )


def chart(servers: list[str], rows: list[tuple[str, list[float]]]) -> str:
    most = max(figure for _, figures in rows for figure in figures)
    scale = (WIDTH - LEFT - RIGHT) / most
    step = (HEIGHT - TOP - BOTTOM) / len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'role="img" aria-label="Tokens per second by number of streams">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#faf8f5"/>',
        text(20, 28, "Tokens per second, all streams together", 16, extra=' font-weight="600"'),
    ]
    for number, server in enumerate(servers):
        x = 20 + number * 210
        parts.append(f'<rect x="{x}" y="42" width="12" height="12" fill="{COLOURS[number]}"/>')
        parts.append(text(x + 18, 53, server))
    for row, (streams, figures) in enumerate(rows):
        y = TOP + row * step + (step - len(figures) * (BAR + GAP)) / 2
        label = "1 stream" if streams == "1" else f"{streams} streams"
        parts.append(text(LEFT - 12, TOP + (row + 0.5) * step + 5, label, anchor="end"))
        for number, figure in enumerate(figures):
            top = y + number * (BAR + GAP)
            parts.append(
                f'<rect x="{LEFT}" y="{top:.1f}" width="{figure * scale:.1f}" height="{BAR}" fill="{COLOURS[number]}"/>'
            )
            # The first server against the fastest of the others.
            ratio = f" ({figure / max(figures[1:]):.1f}×)" if number == 0 else ""
            parts.append(text(LEFT + figure * scale + 8, top + 14, f"{figure:g}{ratio}"))
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    (FOLDER / "speed.svg").write_text(chart(*read(FOLDER / "speed.tsv")))
