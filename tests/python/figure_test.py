"""examples/figure.py draws what it says."""

import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest

import support

support.begin("numpy", "pandas", "matplotlib")

import xmmu

SCRIPT = support.ROOT / "examples/figure.py"


class FigureTest(unittest.TestCase):

    def run_script(self, folder, source):
        path = pathlib.Path(folder, "figure.png")
        environment = dict(os.environ, MPLCONFIGDIR=folder,
                           PYTHONPATH=str(support.build() / "python"))
        result = subprocess.run([sys.executable, "-W", "error", source, path],
                                env=environment, cwd=folder, check=False,
                                capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return path, result.stdout

    def test_the_script_writes_a_figure_of_what_the_functions_find(self):
        with tempfile.TemporaryDirectory() as folder:
            path, text = self.run_script(folder, SCRIPT)
            data = path.read_bytes()
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack(">II", data[16:24]), (1800, 630))
        self.assertGreater(len(data), 20000)
        row = re.search(r"(?m)^1024 +(.*)$", text).group(1).split()
        found = xmmu.compare("fork:pages=1024,cow=1024", pin="late",
                             machine="skylake-2017",
                             policies=["native", "pinning"])["cycles"]
        self.assertEqual(row[:2], ["1.0", f"{found[1] / found[0]:.2f}"])

    def test_its_cells_are_those_of_a_notebook(self):
        cells = re.split(r"(?m)^# %% ", SCRIPT.read_text(encoding="utf-8"))
        self.assertGreater(len(cells), 4)
        for cell in cells[1:]:
            compile(cell.split("\n", 1)[1], "cell", "exec")


if __name__ == "__main__":
    support.main()
