"""Invented names, firms and places in several scripts, drawn from seeded dice."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from random import Random

    from tap_billing.sandbox.people import Address


class Person(NamedTuple):
    """A person and the ASCII word that the e-mail address is made of."""

    first_name: str
    last_name: str
    handle: str


class Home(NamedTuple):
    """A country as customers write their addresses in it."""

    country: str
    currency: str  # iso4217
    language_id: int
    firsts: tuple[str, ...]
    lasts: tuple[str, ...]
    handles: tuple[str, ...]
    firms: tuple[str, ...]
    streets: tuple[str, ...]
    places: tuple[tuple[str, str, str], ...]  # city, state, postcode
    weight: int


_LATIN = (
    "avery", "blake", "casey", "devon", "ellis", "fern", "gray", "harper", "ivy", "jules",
    "kit", "lane", "morgan", "noor", "oakley", "page", "quinn", "reese", "sage", "tatum",
)  # fmt: skip
_US = Home(
    "United States", "USD", 1,
    ("Avery", "Blake", "Casey", "Devon", "Ellis", "Fern", "Gray", "Harper", "Ivy", "Jules",
     "Kit", "Lane", "Morgan", "Noor", "Oakley", "Page", "Quinn", "Reese", "Sage", "Tatum"),
    ("Alder", "Birch", "O'Cedar", "Dale", "Elm", "Frost", "Glen", "Heath", "Isle", "Juniper",
     "Knoll", "Lake", "Moss", "Nectar", "Oak", "Pine", "Quill", "Reed", "St. Stone", "Thorn-Vale"),
    _LATIN,
    ("Alder & Sons", "Birch, Heath, Lake LLC", 'The "Cedar" Company', "Dale <Analytics>",
     "Elm: Works", "Frost\\Glen Systems", "Juniper Labs", "100% Knoll Inc.", "Moss + Reed",
     "Nectar Foods", "Oak Street Studio", "Pine/Quill Partners", "Rocket Thorn \U0001f680"),
    ("Alder Street", "Birch Ave", "Cedar Blvd", "Dale Road", "Elm Court"),
    (("Minneapolis", "MN", "55416"), ("Austin", "TX", "78701"), ("Boston", "MA", "02108"),
     ("Portland", "OR", "97201"), ("Mansfield", "CT", "06268")),
    60,
)  # fmt: skip
_UK = Home(
    "United Kingdom", "GBP", 1,
    ("Alastair", "Bronwen", "Callum", "Elspeth", "Gwen", "Seán", "Zoë"),
    ("Ashby", "Blythe", "Cragg", "Dunmore", "Fitz-Hugh", "Ó Broin"),
    ("alastair", "bronwen", "callum", "elspeth", "gwen", "sean", "zoe"),
    ("Ashby & Blythe Ltd", "Cragg plc", "Dunmore's Teas", "The Fitz-Hugh Trust"),
    ("High Street", "Mill Lane", "Station Road"),
    (("London", "", "EC1A 1BB"), ("Leeds", "West Yorkshire", "LS1 4AP")),
    12,
)  # fmt: skip
_DE = Home(
    "Germany", "EUR", 2,
    ("Jürgen", "Käthe", "Björn", "Änne", "Götz"),
    ("Müller", "Weiß", "Schröder", "Größmann", "von der Heide"),
    ("juergen", "kaethe", "bjoern", "aenne", "goetz"),
    ("Müller & Söhne GmbH", "Weiß Straßenbau KG", "Schröder, Groß & Co.", "Heide IT"),
    ("Hauptstraße", "Größener Weg", "Am Bächle"),
    (("München", "Bayern", "80331"), ("Köln", "NRW", "50667")),
    8,
)  # fmt: skip
_FR = Home(
    "France", "EUR", 3,
    ("Zoé", "Éloïse", "François", "Anaïs", "Noël"),
    ("Lefèvre", "d'Aubigné", "Garçon", "Béranger"),
    ("zoe", "eloise", "francois", "anais", "noel"),
    ("L'Œuvre SARL", "Café d'Aubigné", "Garçon & Fils : Conseil", "Société Béranger"),
    ("rue de l'Église", "avenue du Général", "boulevard Éluard"),
    (("Paris", "Île-de-France", "75001"), ("Besançon", "", "25000")),
    6,
)  # fmt: skip
_JP = Home(
    "Japan", "JPY", 4,
    ("陽菜", "蓮", "結衣", "大翔"), ("山田", "鈴木", "渡邊", "髙橋"),
    ("hina", "ren", "yui", "hiroto"),
    ("株式会社山田製作所", "鈴木商店", "カフェ・ミドリ", "有限会社髙橋"),
    ("中央1-2-3", "本町4丁目", "緑ヶ丘5-6"),
    (("東京", "千代田区", "100-0001"), ("大阪", "北区", "530-0001")),
    6,
)  # fmt: skip
_CN = Home(
    "China", "USD", 5,
    ("伟", "芳", "秀英"), ("王", "李", "张"), ("wei", "fang", "xiuying"),
    ("北方软件有限公司", "红木贸易"), ("人民路", "中山路"), (("上海", "", "200000"),), 3,
)  # fmt: skip
_UA = Home(
    "Ukraine", "EUR", 6,
    ("Оксана", "Тарас", "Їжак"), ("Шевчук", "Ґалаґан", "Мельник"),  # noqa: RUF001 -- Cyrillic
    ("oksana", "taras", "yizhak"), ("ТОВ «Мельниця»", "Шевчук і партнери"),  # noqa: RUF001 -- Cyrillic
    ("вул. Садова", "просп. Миру"), (("Київ", "", "01001"), ("Львів", "", "79000")), 3,
)  # fmt: skip
_AE = Home(
    "United Arab Emirates", "USD", 7,
    ("ليلى", "عمر", "نور"), ("الحداد", "خليل", "النجار"), ("layla", "omar", "nour"),
    ("شركة النور للتجارة", "مكتبة خليل"), ("شارع الشيخ زايد", "شارع النخيل"),
    (("دبي", "", "00000"),), 2,
)  # fmt: skip
HOMES = (_US, _UK, _DE, _FR, _JP, _CN, _UA, _AE)
_WEIGHTS = [home.weight for home in HOMES]

TITLES = ("", "", "", "CEO", "Accounting", "Head of R&D", "Office manager, 2nd floor")
NOTES = (
    "Called about the invoice; promised to pay by Friday.",
    'Says "too expensive", wants <b>annual</b> billing & a discount',
    "Line one\nline two, with a comma: and a colon",
    "Windows line\r\nsecond line\ttabbed",
    "Back\\slash C:\\invoices\\2024, 50% off",
    "Très content 😀 — à rappeler",
    "担当者が変わりました。",
    "",
)
PROJECTS = ("alpha", "billing & co", "Québec", "x<y", "2024/25", '{"team": "blue", "size": 3}')


def home(dice: Random) -> Home:
    """Draw where a customer is at home, most often the United States."""
    return dice.choices(HOMES, _WEIGHTS)[0]


def person(dice: Random, where: Home) -> Person:
    """Draw a person's names in the script of that country."""
    index = dice.randrange(len(where.firsts))
    return Person(where.firsts[index], dice.choice(where.lasts), where.handles[index])


def firm(dice: Random, where: Home) -> str:
    """Draw a firm's name, or "" for the one customer in eight that is a private person."""
    if dice.random() < 1 / 8:
        return ""
    name = dice.choice(where.firms)
    return name if dice.random() < 1 / 2 else f"{name} {dice.randrange(2, 99)}"


def address(dice: Random, where: Home) -> Address:
    """Draw an address of that country."""
    city, state, postcode = dice.choice(where.places)
    second = f"Suite {dice.randrange(1, 900)}" if dice.random() < 1 / 4 else ""
    return (
        f"{dice.randrange(1, 999)} {dice.choice(where.streets)}",
        second,
        city,
        state,
        postcode,
        where.country,
    )
