"""What the functions return."""

import os
import tempfile

from . import _xmmu

# What is asked of a document; a result that was pickled has the answers.
_ASKED = {
    "data": _xmmu.Document.data,
    "words": _xmmu.Document.words,
    "legend": _xmmu.Document.legend,
    "text": lambda document: document.render("text"),
    "json": lambda document: document.render("json"),
    "csv": lambda document: document.render("csv"),
    "page": None,  # needs its title
}


class Result(dict):
    """Columns by name: lists of equal length, as pandas.DataFrame takes them.

    Names are those of the program's CSV; a cell is an int, a float with all its
    digits, a str, a bool, or None where there is nothing. Beside the columns is
    the whole report. print() shows it as the program prints it.
    """

    def __init__(self, document, title):
        super().__init__(document.columns())
        self._title = title
        self._document = document
        self._known = {}

    def _ask(self, what):
        if what not in self._known:
            self._known[what] = (
                self._document.page(self._title) if what == "page"
                else _ASKED[what](self._document))
        return self._known[what]

    @property
    def document(self):
        """The report as its JSON has it: dicts, lists and plain values."""
        return self._ask("data")

    @property
    def units(self):
        """The unit of each column, such as 'cycles'; '' where there is none."""
        return {name: word["unit"] for name, word in self._ask("words").items()}

    @property
    def help(self):
        """A sentence on each column."""
        return {name: word["help"] for name, word in self._ask("words").items()}

    def columns(self):
        """The columns as a plain dict."""
        return dict(self)

    def json(self):
        """The report as --format=json prints it."""
        return self._ask("json").decode("utf-8")

    def csv(self):
        """The report as --format=csv prints it."""
        return self._ask("csv").decode("utf-8", "surrogateescape")

    def text(self):
        """The report as it is printed for people."""
        return self._ask("text").decode("utf-8", "replace")

    def legend(self):
        """What the words of text() mean."""
        return self._ask("legend")

    def report(self, path):
        """Writes the page that --report writes: tables and charts, one file."""
        path = os.path.realpath(os.fsdecode(path))
        if os.path.exists(path) and not os.path.isfile(path):
            # A device or a pipe, which is written to and stays what it is.
            page = self._ask("page")
            with open(path, "wb") as file:
                file.write(page)
            return
        # The page appears when it is whole.
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(path),
                                         prefix=".xmmu.", delete=False) as file:
            try:
                file.write(self._ask("page"))
                file.close()
                mask = os.umask(0)
                os.umask(mask)
                os.chmod(file.name, 0o666 & ~mask)
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise

    def __str__(self):
        return self.text()

    __repr__ = __str__

    def __reduce__(self):
        known = {what: self._ask(what) for what in _ASKED}
        return _restored, (dict(self), self._title, known)


def _restored(columns, title, known):
    """A result without its document."""
    result = Result.__new__(Result)
    result.update(columns)
    result._title = title
    result._document = None
    result._known = known
    return result
