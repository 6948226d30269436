"""While a simulation runs: other threads, progress, Ctrl-C."""

import _thread
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import support

support.begin("numpy")

import xmmu

# Some seconds of work, if nothing stops it.
LONG = {"workload": "walk:pages=4096,rounds=20000", "policies": "native",
        "jobs": 1}
SHORT = {"workload": "walk:pages=512,rounds=600", "policies": "native",
         "jobs": 1}


class RunningTest(unittest.TestCase):

    def test_other_threads_go_on(self):
        counts = [0]
        stop = threading.Event()

        def count():
            while not stop.is_set():
                counts[0] += 1
                time.sleep(0.001)
        thread = threading.Thread(target=count)
        thread.start()
        seen = []
        try:
            xmmu.compare(**SHORT, progress=lambda *_: seen.append(counts[0]))
            self.assertGreater(counts[0], 5)
        finally:
            stop.set()
            thread.join()

    def test_threads_run_simulations_side_by_side(self):
        from concurrent.futures import ThreadPoolExecutor
        pages = range(8, 24)
        specs = [f"fork:pages={n}" for n in pages]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(
                lambda spec: xmmu.compare(spec, jobs=1)["cycles"], specs))
        self.assertEqual(found,
                         [xmmu.compare(spec)["cycles"] for spec in specs])

    def test_progress_grows_and_ends_with_all(self):
        seen = []
        result = xmmu.compare(**SHORT,
                              progress=lambda *done: seen.append(done))
        self.assertEqual(seen, sorted(seen))
        finished, known, operations = seen[-1]
        self.assertEqual((finished, known), (1, 1))
        self.assertGreater(operations, 512 * 600)
        self.assertEqual(len(result["cycles"]), 1)

    def test_what_progress_raises_stops_the_run(self):
        class Enough(Exception):
            pass

        for error in (Enough, KeyboardInterrupt, SystemExit):
            def progress(*_):
                raise error("enough")
            begun = time.monotonic()
            with self.assertRaises(error):
                xmmu.compare(**LONG, progress=progress)
            self.assertLess(time.monotonic() - begun, 3)

    def test_an_interpreter_that_ends_takes_its_runs_along(self):
        code = ("import sys; sys.path.insert(0, sys.argv[1])\n"
                "import threading, time, xmmu\n"
                f"threading.Thread(target=lambda: xmmu.compare(**{LONG!r}), "
                "daemon=True).start()\n"
                "time.sleep(0.3)\n")
        for _ in range(3):
            ended = subprocess.run(
                [sys.executable, "-c", code, str(support.build() / "python")],
                timeout=60, stderr=subprocess.PIPE, check=False)
            self.assertEqual((ended.returncode, ended.stderr), (0, b""))

    def test_a_page_is_written_to_a_device_and_through_a_link(self):
        result = xmmu.compare("touch:pages=2", policies="native")
        result.report("/dev/null")
        self.assertTrue(os.path.exists("/dev/null"))
        self.assertFalse(os.path.isfile("/dev/null"))
        with tempfile.TemporaryDirectory() as folder:
            page = os.path.join(folder, "page.html")
            link = os.path.join(folder, "link.html")
            open(page, "w").close()
            os.symlink(page, link)
            result.report(link)
            self.assertTrue(os.path.islink(link))
            self.assertGreater(os.path.getsize(page), 1000)

    def test_a_signal_stops_the_run(self):
        main = threading.main_thread().ident
        threading.Timer(
            0.3, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
        begun = time.monotonic()
        with self.assertRaises(KeyboardInterrupt):
            xmmu.compare(**LONG)
        self.assertLess(time.monotonic() - begun, 3)
        # And what comes behind it is undisturbed.
        self.assertEqual(len(xmmu.compare("fork:pages=8")["cycles"]), 4)

    def test_reading_a_trace_is_stopped_too(self):
        def progress(*_):
            raise KeyboardInterrupt
        with self.assertRaises(KeyboardInterrupt):
            xmmu.read_trace(support.TRACE, progress=progress)

    def test_an_interrupted_program_ends_as_python_does(self):
        program = ("import sys; sys.path.insert(0, sys.argv[1])\n"
                   "import xmmu\n"
                   "print('begun', flush=True)\n"
                   f"xmmu.compare(**{LONG!r})\n")
        run = subprocess.Popen(
            [sys.executable, "-c", program, str(support.build() / "python")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        run.stdout.readline()
        time.sleep(0.2)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=20)
        self.assertEqual(run.returncode, -signal.SIGINT)
        self.assertTrue(errors.rstrip().endswith("KeyboardInterrupt"), errors)

    def test_signal_handlers_of_the_program_stay(self):
        before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGPIPE,
                                                signal.SIGTERM)]
        xmmu.compare("fork:pages=8")
        self.assertEqual([signal.getsignal(s) for s in (
            signal.SIGINT, signal.SIGPIPE, signal.SIGTERM)], before)

    def test_nothing_is_printed(self):
        program = ("import sys; sys.path.insert(0, sys.argv[1])\n"
                   "import xmmu\n"
                   "xmmu.compare('fork:pages=8')\n"
                   "try: xmmu.compare('frok')\nexcept ValueError: pass\n")
        run = subprocess.run(
            [sys.executable, "-c", program, str(support.build() / "python")],
            capture_output=True, check=True)
        self.assertEqual(run.stdout + run.stderr, b"")

    def test_numpy_is_not_imported_by_itself(self):
        program = ("import sys; sys.path.insert(0, sys.argv[1])\n"
                   "import xmmu\nxmmu.compare('fork:pages=8')\n"
                   "xmmu.compare([('exit',)])\n"
                   "assert 'numpy' not in sys.modules\n")
        subprocess.run([sys.executable, "-c", program,
                        str(support.build() / "python")], check=True)

    def test_a_page_is_written_whole_or_not_at_all(self):
        import pathlib
        import tempfile
        result = xmmu.compare("fork:pages=8")
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "page.html")
            result.report(path)
            self.assertIn("<title>xmmu compare</title>",
                          path.read_text(encoding="utf-8"))
            mask = os.umask(0)
            os.umask(mask)
            self.assertEqual(path.stat().st_mode & 0o777, 0o666 & ~mask)
            self.assertEqual(os.listdir(folder), ["page.html"])
            with self.assertRaises(OSError):
                result.report(pathlib.Path(folder, "none", "page.html"))


if __name__ == "__main__":
    support.main()
