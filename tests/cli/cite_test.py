"""What xmmu cite prints, read by a parser of BibTeX of its own.

Usage: cite_test.py <xmmu>

The parser follows the grammar of BibTeX (btxdoc, "BibTeXing"): entries in
braces or parentheses, values in braces or quotes, numbers, `#` between parts;
what stands outside of entries is a comment.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

# What each type must have (btxdoc, section 3.1); of `misc` and `manual` a title
# is all that a reader can do with.
REQUIRED = {
    "article": {"author", "title", "journal", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "manual": {"title", "organization"},
    "misc": {"title", "howpublished"},
}


class Bad(Exception):
    """The text is no BibTeX."""


class Parser:
    """Reads one text."""

    def __init__(self, text):
        self.text = text
        self.at = 0

    def blanks(self):
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def take(self, what):
        self.blanks()
        if not self.text.startswith(what, self.at):
            raise Bad("%r where %r was expected" %
                      (self.text[self.at:self.at + 20], what))
        self.at += len(what)

    def name(self):
        self.blanks()
        match = re.compile(r"[^\s\"#%'(),={}]+").match(self.text, self.at)
        if match is None:
            raise Bad("no name at %r" % self.text[self.at:self.at + 20])
        self.at = match.end()
        return match.group()

    def delimited(self, end):
        """Text up to `end` outside of braces."""
        start, depth = self.at, 0
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == end and depth == 0:
                self.at += 1
                return self.text[start:self.at - 1]
            depth += (char == "{") - (char == "}")
            if depth < 0:
                raise Bad("a brace too many")
            self.at += 1
        raise Bad("no end of a value")

    def value(self):
        parts = []
        while True:
            self.blanks()
            char = self.text[self.at:self.at + 1]
            if char == "{":
                self.at += 1
                parts.append(self.delimited("}"))
            elif char == '"':
                self.at += 1
                parts.append(self.delimited('"'))
            else:
                parts.append(self.name())
            self.blanks()
            if self.text[self.at:self.at + 1] != "#":
                return "".join(parts)
            self.at += 1

    def entry(self):
        kind = self.name().lower()
        self.take("{")
        key = self.name()
        fields = {}
        while True:
            self.blanks()
            if self.text[self.at:self.at + 1] == "}":
                self.at += 1
                return kind, key, fields
            self.take(",")
            self.blanks()
            if self.text[self.at:self.at + 1] == "}":
                continue
            field = self.name().lower()
            self.take("=")
            if field in fields:
                raise Bad("%s twice" % field)
            fields[field] = self.value()

    def entries(self):
        found = {}
        while True:
            start = self.text.find("@", self.at)
            if start < 0:
                return found
            self.at = start + 1
            kind, key, fields = self.entry()
            if key in found:
                raise Bad("%s twice" % key)
            found[key] = (kind, fields)


def expect(truth, what):
    if not truth:
        sys.exit("cite_test: " + what)


def check_parser():
    """The parser itself refuses what is no BibTeX."""
    good = Parser('x @misc{a, title = {{B} c} # "d", year = 2001,} y').entries()
    expect(good == {"a": ("misc", {"title": "{B} cd", "year": "2001"})},
           "the parser reads %s" % good)
    for bad in ("@misc{a, title = {b}", "@misc{a title = {b}}",
                "@misc{a, title {b}}", "@misc{a, t = {b}, t = {c}}",
                "@misc{a, t = {b}}@misc{a, t = {b}}"):
        try:
            Parser(bad).entries()
        except Bad:
            continue
        sys.exit("cite_test: the parser takes %r" % bad)


def check(entries):
    """Each entry has what its type must have."""
    for key, (kind, fields) in entries.items():
        expect(kind in REQUIRED, "%s is a %s" % (key, kind))
        lacks = REQUIRED[kind] - fields.keys()
        expect(not lacks, "%s lacks %s" % (key, lacks))
        expect(all(value.strip() for value in fields.values()),
               "%s has an empty field" % key)
        if "year" in fields:
            expect(re.fullmatch("(19|20)[0-9]{2}", fields["year"]),
                   "%s is of %s" % (key, fields["year"]))
        if "doi" in fields:
            expect(re.fullmatch(r"10\.[0-9]{4}/\S+", fields["doi"]),
                   "%s has the DOI %s" % (key, fields["doi"]))
        if "url" in fields:
            expect(fields["url"].startswith("https://"), "%s: no URL" % key)
        for author in fields.get("author", "A, B").split(" and "):
            expect("," in author or author.startswith("{"),
                   "%s: who is %s?" % (key, author))


def main():
    program = sys.argv[1]

    def run(*words, status=0):
        result = subprocess.run([program, *words], capture_output=True,
                                text=True, check=False)
        expect(result.returncode == status, "%s ends with %d: %s" %
               (words, result.returncode, result.stderr))
        return result.stdout if status == 0 else result.stderr

    check_parser()
    every = Parser(run("cite")).entries()
    check(every)
    expect({"xmmu", "barham2003xen", "instlatx64"} <= every.keys(),
           "too little is cited: %s" % sorted(every))
    version = run("--version").split()[-1]
    expect(every["xmmu"][1]["version"] == version, "another version is cited")
    xeon = Parser(run("cite", "--machine=xeon-2003")).entries()
    check(xeon)
    expect(xeon.keys() < every.keys(), "one machine has all works")
    with tempfile.TemporaryDirectory() as folder:
        report = str(pathlib.Path(folder) / "report.json")
        for words in (["compare", "--workload=touch:pages=20"],
                      ["crossover", "--machine=xeon-2003", "--levels=3"],
                      ["published", "--table=vmexit"]):
            run(*words, "--format=json", "--output=" + report)
            entries = Parser(run("cite", report)).entries()
            check(entries)
            expect("instlatx64" in entries, "%s cites nothing" % words)
            cited = json.loads(run("cite", report, "--format=json"))
            expect([entry["key"] for entry in cited["entries"]] ==
                   list(entries), "JSON has other entries")
            for entry in cited["entries"]:
                expect(list(Parser(entry["bibtex"]).entries()) ==
                       [entry["key"]], "BibTeX in JSON is another")
        run("compare", "--workload=touch:pages=20", "--format=json",
            "--policies=native", "--output=" + report)
        cited = json.loads(run("cite", report, "--format=json"))
        expect(0 < cited["own"]["cycles"] < cited["cycles"],
               "nothing is estimated")
        refused = run("cite", report, "--machine=xeon-2003", status=2)
        expect("want it without a report" in refused, refused)
    refused = run("cite", "no-such.json", status=2)
    expect(refused.count("\n") == 1 and "no-such.json" in refused, refused)


if __name__ == "__main__":
    main()
