"""XML as the vendor might write it, and what xmltodict makes of it."""

from __future__ import annotations

import io
import itertools
import re
from xml.parsers import expat

import xmltodict
from hypothesis import strategies as st

from tap_billing.providers.cheddar_resources import CONTAINERS, REPEATED


def oracle(body, path):
    """Return the documents as xmltodict has them, made plain, or why there are none."""
    told, others = [], []

    def item(where, element):
        names = tuple(name for name, _ in where)
        (told if names == path else others).append(element)
        return True

    xmltodict.parse(body, item_depth=len(path), item_callback=item, force_list=REPEATED)
    if any(isinstance(each, str) for each in told):
        return "holds text only"
    if not told and others:
        return "but <"
    if not told and any(map(str.strip, texts(xmltodict.parse(body)))):
        return "but text"
    return [plain(each or {}) for each in told]


def texts(value):
    """Return every text in what xmltodict has made."""
    if isinstance(value, dict):
        value = [each for key, each in value.items() if not key.startswith("@")]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value or ""]


def plain(element):
    """Return an element of xmltodict as a plain document."""
    document = {}
    for key, value in element.items():
        if key in CONTAINERS:
            document[key], other = members(value, CONTAINERS[key])
            if other:
                document[f"{key}_other"] = other
        elif isinstance(value, dict):
            document[key] = plain(value)
        elif key.startswith("@"):
            document.setdefault(key[1:], value)
        elif value is not None or key not in document:
            document[key] = value
    return document


def members(container, child):
    """Return the members of a container, and what else is in it."""
    found, other = [], []
    for each in container if isinstance(container, list) else [container]:
        if not isinstance(each, dict):
            other += [] if each is None else [each]
            continue
        for member in each.get(child, []):
            if isinstance(member, dict):
                found.append(plain(member))
            elif member is not None:
                other.append(member)
        rest = {key: value for key, value in each.items() if key != child}
        other += [rest] if rest else []
    return found, other


def is_well_formed(body):
    """Whether expat reads a body."""
    try:
        expat.ParserCreate().ParseFile(io.BytesIO(body))
    except expat.ExpatError:
        return False
    return True


OWN = ["id", "code", "note", "a:b", "gatewayAccount", "customer", "subscriptions_other"]
NAMES = st.sampled_from([*OWN, *itertools.chain.from_iterable([*CONTAINERS.items()][-3:])])
REGULAR = ["", "1", "x y", "&lt;b&gt;&amp;", "&#13;", "&#x1F680; &#32;", "ü\xa0", "it's", "a>b"]
UNUSUAL = ["", "", " ", "\n  ", "]]", "1\r\n2", "/>", "<!-- ><e/> -->", "<?php ><f/> ?>"]
TEXTS = st.sampled_from([*REGULAR, *UNUSUAL, "<![CDATA[><c>d</c>]]>"])
VALUES = st.sampled_from(["", "1", "2", "x y", "a>b", "a/", "&amp;&#10;", "\n", "it's", "é", "/>"])
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["id", "code", "note", "a:b", "xmlns:a", "plans", "subscriptions"]),
    VALUES,
    max_size=2,
)
BLANKS = st.sampled_from(["", "", "", " ", "\n"])


@st.composite
def leaves(draw):
    """Return an element as the vendor writes it."""
    name, text = (
        draw(st.sampled_from(["id", "code", "note", "name"])),
        draw(st.sampled_from(REGULAR)),
    )
    return f"<{name}>{text}</{name}>" if text else f"<{name}/>"


@st.composite
def elements(draw, children, names=NAMES):
    """Return an element with attributes, and with text around its children."""
    name, blank = draw(names), draw(BLANKS)
    attributes = "".join(
        f' {key}="{value}"' if "'" in value else f" {key}={quote}{value}{quote}"
        for (key, value), quote in zip(draw(ATTRIBUTES).items(), ("'", '"'), strict=False)
    )
    inner = "".join(
        part for child in draw(st.lists(children, max_size=4)) for part in (draw(TEXTS), child)
    )
    inner += draw(TEXTS)
    if not inner and draw(st.booleans()):
        return f"<{name}{attributes}{blank}/>"
    return f"<{name}{attributes}{blank}>{inner}</{name}{blank}>"


@st.composite
def inside(draw, depth=2):
    """Return what is in an element, as the vendor writes it: leaves, objects and containers."""
    parts = draw(st.lists(leaves(), max_size=3, unique_by=lambda each: re.split("[/>]", each)[0]))
    if depth and draw(st.booleans()):
        parts.append(f"<gatewayAccount>{draw(inside(0))}<type>paypal</type></gatewayAccount>")
    containers = st.lists(st.sampled_from([*CONTAINERS]), max_size=2 if depth else 0, unique=True)
    for container in draw(containers):
        told = [
            f"<{CONTAINERS[container]}{known}>{draw(inside(depth - 1))}</{CONTAINERS[container]}>"
            for known in draw(st.lists(st.sampled_from(KNOWN), max_size=2))
        ]
        parts.append(f"<{container}>{''.join(told)}</{container}>" if told else f"<{container}/>")
    return "".join(draw(st.permutations(parts)))


KNOWN = [' id="1"', ' id="2" code="A&amp;B"', ' id="3"  code=""', ' n="x y" code="é"']


TREES = st.recursive(st.one_of(leaves(), elements(leaves())), elements, max_leaves=12)
ITEMS = st.one_of(
    inside().map(lambda inner: f'<customer id="1" code="C"><name>n</name>{inner}</customer>'),
    elements(st.one_of(TREES, inside(1)), st.just("customer")),
    elements(TREES),
)
PROLOGS = st.sampled_from(
    [
        "",
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        "<?xml version='1.0'?>",
        "<!-- x -->",
        "\ufeff",
    ]
)


@st.composite
def bodies(draw):
    """Return a body of customers, most of them unlike anything that the vendor writes."""
    inner = "".join(
        part for item in draw(st.lists(ITEMS, max_size=4)) for part in (draw(BLANKS), item)
    )
    head = draw(st.sampled_from(["<customers>", '<customers a="1">', "<customers\n>"]))
    end = draw(st.sampled_from(["", "\n", "<!-- end -->", "\n<?end?>\n"]))
    return f"{draw(PROLOGS)}{head}{inner}{draw(TEXTS)}</customers>{end}".encode()
