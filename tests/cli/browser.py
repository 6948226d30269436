"""A headless Chromium, driven over pipes by the DevTools protocol.

    with Browser("chromium-headless-shell") as browser:
        browser.open(path)
        browser.value("document.title")

Notes all that a page must not do: messages of the console, exceptions, and
requests for anything but the page itself.
"""

import base64
import json
import os
import pathlib
import subprocess
import tempfile


class Browser:
    """One page in one browser; speaks as DevTools does, JSON ended by NUL."""

    def __init__(self, program):
        self._profile = tempfile.TemporaryDirectory(
            ignore_cleanup_errors=True)
        to_browser, self._commands = os.pipe()
        self._answers, from_browser = os.pipe()
        # The browser reads its descriptor 3 and writes to its descriptor 4.
        self._process = subprocess.Popen(
            ["bash", "-c", 'exec "$@" 3<&%d 4>&%d' % (to_browser, from_browser),
             "-", program, "--no-sandbox", "--disable-gpu",
             "--remote-debugging-pipe", "--user-data-dir=" + self._profile.name,
             "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, pass_fds=(to_browser, from_browser))
        os.close(to_browser)
        os.close(from_browser)
        self._read = b""
        self._number = 0
        self._events = []
        self._session = None
        self.complaints = []
        target = self.call("Target.createTarget", url="about:blank")
        self._session = self.call("Target.attachToTarget", flatten=True,
                                  targetId=target["targetId"])["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)
        self._profile.cleanup()

    def _message(self):
        while b"\0" not in self._read:
            piece = os.read(self._answers, 1 << 16)
            if not piece:
                raise RuntimeError("the browser has ended")
            self._read += piece
        message, self._read = self._read.split(b"\0", 1)
        return json.loads(message)

    def _note(self, event):
        name, what = event["method"], event.get("params", {})
        if name == "Runtime.exceptionThrown":
            self.complaints.append(what["exceptionDetails"]["text"])
        elif name == "Runtime.consoleAPICalled":
            self.complaints.append("console: %s" % what["args"])
        elif name == "Log.entryAdded":
            self.complaints.append("log: %s" % what["entry"]["text"])
        elif name == "Network.requestWillBeSent":
            url = what["request"]["url"]
            if url != self.url and not url.startswith("blob:"):
                self.complaints.append("request: " + url)
        self._events.append(name)

    def call(self, method, **params):
        """Calls a method and returns its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError("%s: %s" % (method, answer["error"]))
                return answer["result"]
            if "method" in answer:
                self._note(answer)

    def open(self, path, width=1300):
        """Loads a file and waits until it is there."""
        self.url = pathlib.Path(path).resolve().as_uri()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900,
                  deviceScaleFactor=1, mobile=False)
        self._events.clear()
        self.call("Page.navigate", url=self.url)
        while "Page.loadEventFired" not in self._events:
            answer = self._message()
            if "method" in answer:
                self._note(answer)

    def value(self, expression):
        """What an expression of JavaScript comes to."""
        result = self.call("Runtime.evaluate", expression=expression,
                           returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError("%s: %s" % (expression,
                                           result["exceptionDetails"]["text"]))
        return result["result"].get("value")

    def click(self, x, y):
        """Clicks at a place of the window."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y,
                      button="left", clickCount=1)

    def screenshot(self, path):
        """Writes the whole page as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                            clip={"x": 0, "y": 0, "width": size["width"],
                                  "height": size["height"], "scale": 1})
        pathlib.Path(path).write_bytes(base64.b64decode(picture["data"]))

    def emulate(self, **features):
        """Sets what media queries ask for."""
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": name.replace("_", "-"), "value": value}
            for name, value in features.items()])

    def scripts(self, run):
        """Whether pages that are opened from now on may run scripts."""
        self.call("Emulation.setScriptExecutionDisabled", value=not run)
