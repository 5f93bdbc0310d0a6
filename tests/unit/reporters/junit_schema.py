"""The rules of the JUnit schemas in use: Ant's as Windy Road wrote it down, the strictest, and Jenkins' own."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

_COUNT = re.compile(r"[0-9]+")
_SECONDS = re.compile(r"[0-9]+\.[0-9]+")
_NAME = re.compile(r"\S(.*\S)?", re.DOTALL)
_ANY = re.compile(r".*", re.DOTALL)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")  # no time zone

#: Attributes by element; all of ours are required by one of the two, and known to both.
_ATTRIBUTES = {
    "testsuites": {},
    "testsuite": {
        "id": _COUNT,
        "name": _NAME,
        "package": _NAME,
        "hostname": _NAME,
        "timestamp": _TIMESTAMP,
        "tests": _COUNT,
        "failures": _COUNT,
        "errors": _COUNT,
        "skipped": _COUNT,
        "time": _SECONDS,
    },
    "properties": {},
    "property": {"name": _NAME, "value": _ANY},
    "testcase": {"classname": _NAME, "name": _NAME, "time": _SECONDS},
    "skipped": {"message": _ANY},
    "failure": {"message": _ANY, "type": _ANY},
    "error": {"message": _ANY, "type": _ANY},
    "system-out": {},
    "system-err": {},
}
#: Children by element, as a pattern over their names.
_CHILDREN = {
    "testsuites": r"(testsuite )*",
    "testsuite": r"properties (testcase )*system-out system-err ",
    "properties": r"(property )*",
    "testcase": r"((skipped|failure|error) )?",
}


def parsed(document: str) -> Xml.Element:
    """Return the document's root; every flaw of it is an assertion."""
    root = Xml.fromstring(document.encode())  # noqa: S314  # our own, and expat knows no outside entity
    assert root.tag == "testsuites"
    for element in root.iter():
        rules = _ATTRIBUTES[element.tag]
        assert set(element.attrib) == set(rules), element.tag
        for name, rule in rules.items():
            assert rule.fullmatch(element.attrib[name]), (element.tag, name, element.attrib[name])
        children = "".join(f"{child.tag} " for child in element)
        assert re.fullmatch(_CHILDREN.get(element.tag, ""), children), (element.tag, children)
    for number, suite in enumerate(root):
        cases = suite.findall("testcase")
        assert suite.get("id") == str(number)
        assert suite.get("tests") == str(len(cases))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert suite.get(attribute) == str(len([case for case in cases if case.find(tag) is not None]))
        names = [case.attrib["name"] for case in cases]
        assert len(set(names)) == len(names), "a case is known by its name"
    return root
