"""pictures.py: SVG pictures of a share of examples in percent over a cost on a logarithmic axis, readable on light and dark pages."""

import math

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#8c564b", "#a6761d"]
STYLE = ("svg{background:#fff}text{fill:#222}.grid{stroke:#ddd}"
         "@media(prefers-color-scheme:dark){svg{background:#111}text{fill:#ddd}.grid{stroke:#333}}")


class Picture:
    """@param xs  costs, more than 0; @param ys  shares, 0 to 1; @param step  of the grid, a share"""

    def __init__(self, title, x_label, xs, ys, step, width=760, height=400):
        self.left, self.right, self.top, self.bottom = 56, width - 130, 16, height - 44
        self.low_x, self.high_x = math.log10(min(xs)), math.log10(max(xs))
        self.low_y, self.high_y = math.floor(min(ys) / step) * step, math.ceil(max(ys) / step) * step
        self.label_y = -math.inf
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
                      f"<title>{title}</title>", f"<style>{STYLE}</style>"]
        for i in range(round((self.high_y - self.low_y) / step) + 1):
            share = self.low_y + i * step
            y = self.y(share)
            self.parts.append(f'<line class="grid" x1="{self.left}" x2="{self.right}" y1="{y:.1f}" y2="{y:.1f}"/>')
            self.text(self.left - 8, y + 4, f"{100 * share:.0f} %", "end")
        self.text((self.left + self.right) / 2, height - 6, x_label, "middle")

    def x(self, cost):
        return self.left + (math.log10(cost) - self.low_x) / max(self.high_x - self.low_x, 1e-9) * (self.right - self.left)

    def y(self, share):
        return self.bottom - (share - self.low_y) / max(self.high_y - self.low_y, 1e-9) * (self.bottom - self.top)

    def text(self, x, y, text, anchor="start", colour=None):
        style = f' style="fill:{colour}"' if colour else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{text}</text>')

    def tick(self, cost, text):
        self.text(self.x(cost), self.bottom + 18, text, "middle")

    def line(self, points, colour, dashed=False):
        at = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        dashes = ' stroke-dasharray="4 4"' if dashed else ""
        self.parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2"{dashes} points="{at}"/>')

    def point(self, cost, share, colour, title):
        self.parts.append(f'<circle cx="{self.x(cost):.1f}" cy="{self.y(share):.1f}" r="4" fill="{colour}"><title>{title}</title></circle>')

    def label_at_the_end(self, share, text, colour):
        """Right of the axes, below the label before it: call from the top down."""
        self.label_y = max(self.label_y + 15, self.y(share) + 4)
        self.text(self.right + 10, self.label_y, text, colour=colour)

    def svg(self):
        return "\n".join([*self.parts, "</svg>", ""])
