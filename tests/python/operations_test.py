"""Workloads of one's own: arrays that are not copied, tuples, objects."""

import gc
import sys
import unittest
import weakref

import support

support.begin("numpy")

import numpy

import xmmu
from xmmu import Advice, Backing, Flags, Kind, Operation, Rights

PAGE = 4096
START = 0x400000


def touch(pages, stride=PAGE):
    """A mapping, and a store to each of its pages."""
    ops = numpy.zeros(pages + 1, xmmu.operation_dtype)
    ops["kind"] = Kind.STORE
    ops["va"][1:] = START + stride * numpy.arange(pages, dtype="u8")
    ops["length"] = 8
    ops[0] = (Kind.MAP, Rights.READ | Rights.WRITE, Backing.ANONYMOUS, 0, 0, 0,
              START, pages * PAGE, 0, 0, 0, 0, 0)
    return ops


def any_operations(rng, count=20):
    """Operations of any kind but those that start tasks, on any addresses."""
    def of(*names):
        return numpy.isin(ops["kind"], [Kind[name] for name in names])
    ops = numpy.zeros(count, xmmu.operation_dtype)
    ops["kind"] = rng.choice([kind for kind in Kind if kind not in (
        Kind.EXIT, Kind.FORK, Kind.VFORK, Kind.CLONE)], count)
    size = rng.choice([2**16, 2**24, 2**32, 2**48, 2**63], count,
                      p=[.3, .66, .02, .01, .01])
    ops["va"] = rng.integers(0, size, dtype="u8") & ~numpy.uint64(7)
    ops["length"] = numpy.where(ops["kind"] <= Kind.MODIFY, 8,
                                rng.integers(1, size))
    ops["length"][of("COPY_IN", "COPY_OUT")] &= numpy.uint64(2**20 - 1)
    bare = of("WAIT", "YIELD", "SYSCALL", "POST", "OPEN", "CLOSE", "REMOVE",
              "AWAIT")
    ops["va"][bare] = ops["length"][bare] = 0
    ops["rights"][of("MAP", "PROTECT")] = 3
    moved = of("REMAP")
    ops["target"][moved] = rng.integers(0, size, dtype="u8")[moved]
    ops["new_length"][moved] = rng.integers(0, size, dtype="u8")[moved]
    return ops


def refusal(test, operations, **arguments):
    with test.assertRaises(ValueError) as refused:
        xmmu.Workload(operations, **arguments)
    return str(refused.exception)


class ArraysTest(unittest.TestCase):

    def test_an_array_runs_as_it_is(self):
        result = xmmu.compare(touch(50), policies=["native", "pinning"])
        self.assertEqual(result["page_faults"][0], 50)
        self.assertEqual(result.document["workload"]["name"],
                         "operations")
        self.assertNotIn("command_line", result.document)

    def test_an_array_is_not_copied(self):
        ops = touch(1000)
        references = sys.getrefcount(ops)
        workload = xmmu.Workload(ops)
        self.assertEqual(sys.getrefcount(ops), references + 1)
        with self.assertRaisesRegex(ValueError, "cannot resize"):
            ops.resize(5)
        # What is changed behind it is what runs.
        before = xmmu.compare(workload, policies="native")
        ops["va"][1:] = START
        after = xmmu.compare(workload, policies="native")
        self.assertEqual(before["page_faults"], [1000])
        self.assertEqual(after["page_faults"], [1])

    def test_the_array_lives_as_long_as_its_workload(self):
        class Kept(numpy.ndarray):
            pass
        ops = touch(20).view(Kept)
        gone = weakref.ref(ops)
        workload = xmmu.Workload(ops)
        del ops
        gc.collect()
        self.assertIsNotNone(gone())
        self.assertEqual(
            xmmu.compare(workload, policies="native")["page_faults"], [20])
        del workload
        gc.collect()
        self.assertIsNone(gone())

    def test_any_array_of_one_dimension_will_do(self):
        ops = touch(40)
        expected = xmmu.compare(ops, policies="native").document["rows"]
        wide = numpy.zeros(2 * len(ops), xmmu.operation_dtype)
        wide[::2] = ops
        odd = numpy.frombuffer(b"?" + ops.tobytes(), xmmu.operation_dtype,
                               offset=1)
        read_only = ops.copy()
        read_only.setflags(write=False)
        for other in (wide[::2], ops[::-1].copy()[::-1], odd, read_only,
                      ops.tobytes(), bytearray(ops.tobytes()), ops.tolist,
                      memoryview(ops.tobytes())):
            if callable(other):
                names = xmmu.operation_dtype.names
                other = [dict(zip(names, op)) for op in ops.tolist()]
            self.assertEqual(
                xmmu.compare(other, policies="native").document["rows"],
                expected)

    def test_other_arrays_are_refused(self):
        for other in (numpy.zeros(3), numpy.zeros((2, 2), xmmu.operation_dtype),
                      numpy.zeros(3, xmmu.operation_dtype.newbyteorder()),
                      numpy.zeros((), xmmu.operation_dtype), b"123"):
            self.assertRegex(refusal(self, other), "xmmu.operation_dtype")

    def test_the_dtype_is_the_struct(self):
        self.assertEqual(xmmu.operation_dtype.itemsize, 56)
        self.assertEqual(set(xmmu.operation_dtype.names),
                         set(Operation._fields))
        self.assertEqual(xmmu.operation_dtype.fields["va"][1], 8)

    def test_what_changes_under_a_run_ends_it_and_no_more(self):
        # The run is under way in its first row when the array turns bad.
        ops = touch(300000, stride=0)
        workload = xmmu.Workload(ops)

        def spoil(*_):
            ops["kind"] = 200
        try:
            while True:
                xmmu.compare(workload, policies="all", jobs=1, progress=spoil)
        except ValueError as error:
            self.assertRegex(str(error), "operation [0-9]+: an operation of an "
                             "unknown kind")


class IterablesTest(unittest.TestCase):

    def test_tuples_mappings_and_objects_are_operations(self):
        class Mine:
            def __init__(self, kind, va):
                self.kind, self.va, self.length = kind, va, 8
        expected = xmmu.compare(touch(2), policies="native")["cycles"]
        for ops in ([("map", START, 2 * PAGE, "rw"), ("store", START, 8),
                     (Kind.STORE, START + PAGE, 8)],
                    [{"kind": "map", "va": START, "length": 2 * PAGE,
                      "rights": 3},
                     Operation("store", START, 8), Mine("store", START + PAGE)]):
            for given in (ops, tuple(ops), iter(ops), (op for op in ops)):
                self.assertEqual(xmmu.compare(given, policies="native")
                                 ["cycles"], expected)

    def test_names_stand_for_numbers(self):
        from xmmu._operations import _fields
        names = xmmu.operation_dtype.names
        fields = dict(zip(names, _fields(Operation(
            "copy-in", rights="r-x", backing="file-shared",
            advice="lock-on-fault"))))
        self.assertEqual(fields["kind"], Kind.COPY_IN)
        self.assertEqual(fields["rights"], Rights.READ | Rights.EXECUTE)
        self.assertEqual(fields["backing"], Backing.FILE_SHARED)
        self.assertEqual(fields["advice"], Advice.LOCK_ON_FAULT)
        self.assertEqual(Flags.CALL_GOES_ON, 128)

    def test_tasks_start_each_other(self):
        ops = {7: [("map", START, PAGE, "rw"), ("store", START, 8),
                   Operation("fork", child=9), Operation("wait", child=9)],
               9: [("store", START, 8)]}
        result = xmmu.compare(ops, policies="native", levels=4)
        self.assertEqual(result["forks"], [1])
        self.assertEqual(result["page_faults"], [2])

    def test_the_exit_at_the_end_may_be_left_out(self):
        ops = [("map", START, PAGE, "rw"), ("store", START, 8)]
        self.assertEqual(
            xmmu.compare(ops, policies="native").document["rows"],
            xmmu.compare(ops + [("exit",)], policies="native").document["rows"])
        self.assertGreater(xmmu.compare([], policies="native")["cycles"][0], 0)


class RefusalsTest(unittest.TestCase):

    def test_an_operation_that_is_wrong_is_named_by_its_index(self):
        good = ("store", START, 8)
        for bad, want in [
                (("laod", 1, 8), "kind: there is no 'laod'; did you mean "
                 "'load'"),
                (("load", 1, 0), "an access of no bytes"),
                (("load", -1, 8), "va: -1, want 0 to 18446744073709551615"),
                (("load", 1 << 64, 8), "va: 18446744073709551616, want 0 to"),
                (("load", 1.5, 8), "va: want a number, not float"),
                (("load", 1, 8, 1), "more than an address and a length"),
                (("map", 1, 8, "rq"), "rights: 'rq', want letters of 'rwx'"),
                ((99,), "unknown kind"),
                ((300,), "kind: 300, want 0 to 255"),
                (tuple(range(14)), "14 fields, want at most 13"),
                ((), "want a kind"), (3, "want a kind"),
                ({"kind": "load", "addr": 3}, "there is no field 'addr'"),
                (("copy-in", 0, 1 << 31), "a copy of more than 2147479552"),
                (("exit",), "an exit, expected only as the last"),
                (Operation("fork", child=5), "starts task 5, which has no "
                 "operations"),
                (Operation("fork", child=1), "starts task 1, which has been "
                 "started before")]:
            found = refusal(self, [good, good, bad, good])
            self.assertRegex(
                found, f"^operations: task 1, operation 2: .*{want}")

    def test_the_index_counts_in_an_array_too(self):
        ops = touch(5000)
        ops["length"][4321] = 70000
        self.assertRegex(refusal(self, {3: ops}, name="mine"),
                         "^mine: task 3, operation 4321: an access of no bytes")

    def test_tasks_and_names_that_cannot_be_are_refused(self):
        self.assertRegex(refusal(self, {}), "want a task")
        self.assertRegex(refusal(self, {0: []}), "task 0: want numbers from 1")
        self.assertRegex(refusal(self, {"a": []}), "task 'a': want numbers")
        self.assertRegex(refusal(self, {1: [], 2: []}),
                         "task 2: nothing starts it")
        self.assertRegex(refusal(self, [], name="a\nb"), "want up to 100")
        for other in (3, None, object()):
            with self.assertRaises(TypeError):
                xmmu.Workload(other)

    def test_operations_of_any_numbers_run_or_are_refused(self):
        rng = numpy.random.default_rng(1)
        ran = 0
        for levels in 40 * [2, 3, 4, 5]:
            try:
                xmmu.compare(any_operations(rng), levels=levels, memory=32,
                             policies=["native", "nested-paging"], jobs=1)
                ran += 1
            except ValueError as error:
                self.assertNotIn("\n", str(error))
        self.assertGreater(ran, 20)


class TracesTest(unittest.TestCase):

    def test_what_is_read_of_a_trace_runs_as_the_trace(self):
        read = xmmu.read_trace(support.TRACE)
        self.assertEqual({ops.dtype for ops in read.values()},
                         {xmmu.operation_dtype})
        by_array = xmmu.compare(read, levels=4, policies=["native", "pinning"])
        by_file = xmmu.compare(trace=support.TRACE, levels=4,
                               policies=["native", "pinning"])
        self.assertEqual(by_array.document["rows"], by_file.document["rows"])

    def test_its_operations_are_those_that_the_program_shows(self):
        read = xmmu.read_trace(support.TRACE)
        counts = sum(numpy.bincount(ops["kind"], minlength=len(Kind))
                     for ops in read.values())
        document = support.program("trace", "info", str(support.TRACE))
        for kind in (Kind.FETCH, Kind.LOAD, Kind.STORE, Kind.MAP, Kind.EXEC):
            name = kind.name.lower().replace("_", "-")
            self.assertRegex(document,
                             rf"(?m)^ +{name} +{counts[kind]:,}\b")

    def test_a_part_of_a_trace_is_read(self):
        for limit in (0, 1, 1000):
            read = xmmu.read_trace(support.TRACE, limit=limit)
            self.assertEqual(sum(map(len, read.values())), limit)
        with self.assertRaisesRegex(ValueError, "limit=-1"):
            xmmu.read_trace(support.TRACE, limit=-1)
        with self.assertRaisesRegex(ValueError, "none.xmmu"):
            xmmu.read_trace("none.xmmu")


if __name__ == "__main__":
    support.main()
