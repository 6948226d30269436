#!/usr/bin/python3
"""A figure in Python: what a fork costs under each strategy, by its size.

Run as a script it writes figure.png, or the file that it is given. Editors that
know cells (# %%) run it piece by piece, as a notebook. It needs python3-pandas
and python3-matplotlib, and `import xmmu`: installed, or from where it is built:

    PYTHONPATH=build/release/python examples/figure.py fork.png
"""

# %% Run a strategy after the other on guests of all sizes
import sys

import matplotlib
import pandas as pd

import xmmu

if __name__ == "__main__" and "ipykernel" not in sys.modules:
    matplotlib.use("Agg")  # no screen
import matplotlib.pyplot as plt

MACHINE = xmmu.machine("skylake-2017")
POLICIES = ["native", "pinning", "trap-and-emulate", "writable-page-tables",
            "xi-shadow", "shadow-2008", "nested-paging"]
PAGES = [1, 4, 16, 64, 256, 1024]

frames = []
for pages in PAGES:
    result = xmmu.compare(workload=f"fork:pages={pages},cow={pages}",
                          machine=MACHINE, policies=POLICIES, pin="late")
    frames.append(pd.DataFrame(result).assign(pages=pages))
data = pd.concat(frames)

# %% Cycles of each strategy by those of bare hardware
cycles = data.pivot(index="pages", columns="policy", values="cycles")[POLICIES]
relative = cycles.div(cycles["native"], axis="index")
print(relative.round(2).to_string())

# %% What the cycles of the largest fork go to
largest = data[data.pages == PAGES[-1]].set_index("policy")
of_component = largest.filter(regex="^cycles_").astype(float) / 1e6
# Components that are a twentieth of no strategy's cycles are one.
small = of_component.div(of_component.sum(axis=1), axis=0).max() < 0.05
parts = of_component.loc[:, ~small].assign(
    others=of_component.loc[:, small].sum(axis=1))
parts.columns = parts.columns.str.replace("cycles_", "")
print(parts.round(2).to_string())

# %% The figure
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.2))
relative.plot(ax=left, logx=True, marker="o", markersize=3)
left.set_xlabel("pages that the program has, and writes after the fork")
left.set_ylabel("cycles, by those of bare hardware")
left.set_xticks(PAGES, [str(pages) for pages in PAGES])
left.minorticks_off()
left.legend(title="", fontsize="small")
parts.plot.barh(ax=right, stacked=True, width=0.8, cmap="tab20")
right.invert_yaxis()
right.set_xlabel(f"million cycles, {PAGES[-1]} pages")
right.set_ylabel("")
right.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
figure.suptitle(f"fork on {MACHINE.name}")
figure.tight_layout()

# %% Keep it
if __name__ == "__main__" and "ipykernel" not in sys.modules:
    path = sys.argv[1] if len(sys.argv) > 1 else "figure.png"
    figure.savefig(path, dpi=150)
