"""Functions find what the program finds, to the last bit."""

import json
import pickle
import unittest

import support

support.begin("numpy", "pandas")

import pandas

import xmmu

FORK = "fork:pages=40,cow=10"
COMMAND = "command_line"
# Function, its arguments, and the words of the same command.
SAME = [
    ("compare", {"workload": FORK, "policies": "all"},
     ["compare", f"--workload={FORK}", "--policies=all"]),
    ("compare", {"workload": FORK, "machine": "skylake-2017", "levels": 4,
                 "vcpus": 2, "policies": ["native", "pinning"],
                 "pin": ["early", "late"], "share_file_pages": True,
                 "memory": 256},
     ["compare", f"--workload={FORK}", "--machine=skylake-2017", "--levels=4",
      "--vcpus=2", "--policies=native,pinning", "--pin=early,late",
      "--share-file-pages", "--memory=256"]),
    ("compare", {"workload": FORK, "set": {"mov_cr3": 500, "cost.invlpg": 90},
                 "interval": 20, "overlap": 0.25, "walkers": 2},
     ["compare", f"--workload={FORK}", "--set=mov_cr3=500,cost.invlpg=90",
      "--interval=20", "--overlap=0.25", "--walkers=2"]),
    ("compare", {"workload": FORK, "sensitivity": True, "samples": 5},
     ["compare", f"--workload={FORK}", "--sensitivity", "--samples=5"]),
    ("compare", {"trace": support.TRACE, "levels": 3, "operations": 20000},
     ["compare", str(support.TRACE), "--levels=3", "--operations=20000"]),
    ("crossover", {"machine": ["xeon-2003"], "levels": [3],
                   "trace": [support.TRACE]},
     ["crossover", "--machine=xeon-2003", "--levels=3", str(support.TRACE)]),
    ("shadows", {"machine": "xeon-2003", "levels": 3, "vcpus": 1,
                 "workloads": ["fork:pages=20,cow=4", "touch:pages=9"]},
     ["shadows", "--machine=xeon-2003", "--levels=3", "--vcpus=1",
      "--workloads=fork:pages=20,cow=4;touch:pages=9"]),
    ("explain", {"event": "write-fault", "policies": ["pinning", "xi-shadow"]},
     ["explain", "write-fault", "--policies=pinning,xi-shadow"]),
    ("explain", {"trace": support.TRACE, "fault": 20, "levels": 3,
                 "policies": "native"},
     ["explain", f"--trace={support.TRACE}", "--fault=20", "--levels=3",
      "--policies=native"]),
    ("published", {"table": "vmexit"}, ["published", "--table=vmexit"]),
]


def as_csv(value, sample):
    """`value` as a line of CSV has it; `sample` is what the line has."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return f"{value:.{len(sample.partition('.')[2])}f}"
    return str(value)


class NumbersTest(unittest.TestCase):

    def test_every_column_is_that_of_the_programs_csv(self):
        for function, arguments, words in SAME:
            with self.subTest(words=words):
                result = getattr(xmmu, function)(**arguments)
                expected = support.program_columns(*words)
                self.assertEqual(list(result), list(expected))
                for name, texts in expected.items():
                    if name == COMMAND:
                        continue  # with --format=csv
                    found = [as_csv(value, text)
                             for value, text in zip(result[name], texts)]
                    self.assertEqual((name, found), (name, texts))

    def test_the_document_is_the_programs_json(self):
        for function, arguments, words in SAME:
            with self.subTest(words=words):
                result = getattr(xmmu, function)(**arguments)
                expected = json.loads(
                    support.program(*words, "--format=json"))
                self.assertEqual(json.loads(result.json()), result.document)
                for document in (result.document, expected):
                    if isinstance(document, dict):
                        document.pop(COMMAND, None)
                self.assertEqual(result.document, expected)

    def test_the_command_of_a_report_does_the_same_again(self):
        result = xmmu.compare(workload=FORK, vcpus=2, policies=["native"])
        words = result.document[COMMAND]
        self.assertEqual(words, ["xmmu", "compare", f"--workload={FORK}",
                                 "--policies=native", "--vcpus=2"])
        self.assertEqual(support.program(*words[1:]), result.text())

    def test_figures_are_numbers_with_all_their_digits(self):
        result = xmmu.compare(workload=FORK, overlap=0.25)
        self.assertEqual({type(value) for value in result["cycles"]}, {int})
        row = result.document["rows"][1]
        share = row["share_by_mark"]["estimated"]
        self.assertEqual(result["share_estimated"][1], share)
        self.assertIsInstance(share, float)
        self.assertIs(result["guest_ops"][0] is None or
                      isinstance(result["guest_ops"][0], str), True)

    def test_pandas_takes_a_result_as_it_is(self):
        result = xmmu.compare(workload=FORK)
        frame = pandas.DataFrame(result)
        self.assertEqual(list(frame.columns), list(result))
        self.assertEqual(frame["cycles"].dtype, "int64")
        self.assertEqual(list(frame.cycles), result["cycles"])
        self.assertEqual(dict(result), result.columns())

    def test_text_legend_units_and_help_are_there(self):
        result = xmmu.compare(workload=FORK)
        self.assertEqual(
            result.text(), support.program("compare", f"--workload={FORK}"))
        self.assertEqual(str(result), result.text())
        self.assertIn("page walks", result.legend())
        self.assertEqual(result.units["cycles"], "cycles")
        self.assertIn("cycles charged", result.help["cycles"])

    def test_a_result_is_pickled_whole(self):
        result = xmmu.compare(workload=FORK)
        again = pickle.loads(pickle.dumps(result))
        self.assertEqual(again, result)
        self.assertEqual(again.document, result.document)
        self.assertEqual(again.csv(), result.csv())
        self.assertEqual(str(again), str(result))


class MachineTest(unittest.TestCase):

    def test_figures_are_those_that_the_program_lists(self):
        machine = xmmu.machine("zen3-2020")
        listed = support.program_columns("list", "prices",
                                         "--machine=zen3-2020")
        self.assertEqual(list(machine), listed["key"])
        self.assertEqual(machine.table["value"], listed["value"])
        self.assertEqual(
            [str(value).lower() if isinstance(value, bool) else str(value)
             for value in machine.values()], listed["value"])
        self.assertEqual(machine.toml(),
                         support.program("list", "prices", "--format=toml",
                                         "--machine=zen3-2020"))

    def test_a_machine_with_values_of_ones_own_is_simulated(self):
        machine = xmmu.machine("zen3-2020", {"cost.invlpg": 7}, mov_cr3=500)
        self.assertEqual(machine["cost.mov_cr3"], 500)
        self.assertEqual(machine["cost.invlpg"], 7)
        self.assertEqual(
            xmmu.compare(workload=FORK, machine=machine).text(),
            support.program("compare", f"--workload={FORK}",
                            "--machine=zen3-2020",
                            "--set=cost.invlpg=7,mov_cr3=500"))
        self.assertEqual(pickle.loads(pickle.dumps(machine)), machine)

    def test_a_file_is_a_machine(self):
        import pathlib
        import tempfile
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "slow.toml")
            path.write_text('base = "xeon-2003"\nname = "slow"\n'
                            '[cost]\nmov_cr3 = 9000\n')
            for machine in (xmmu.machine(str(path)), xmmu.machine(path), path):
                result = xmmu.compare(workload=FORK, machine=machine)
                self.assertEqual(result["machine"][0], "slow")
            path.write_text("[cost]\nmov_cr3 = 1\n[cost]\n")
            with self.assertRaisesRegex(ValueError, "slow.toml:3: "):
                xmmu.machine(path)

    def test_names_are_those_of_the_program(self):
        text = support.program("list", "machines", "policies", "workloads")
        for names in (xmmu.machines(), xmmu.policies(), xmmu.workloads()):
            self.assertGreater(len(names), 5)
            for name, words in names.items():
                self.assertRegex(text, rf"(?m)^ +{name} +\S")
                self.assertIn(words, text)


if __name__ == "__main__":
    support.main()
