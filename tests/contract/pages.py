"""The pages at `/docs` show every document, with nothing from elsewhere."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

from stack import DIALECTS, Fault, Stack


class Assets(HTMLParser):
    """What a page makes a browser load."""

    def __init__(self):
        super().__init__()
        self.addresses = []
        self.inline = ""

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        loaded = attributes.get("href") if tag == "link" else attributes.get("src")
        self.addresses += [loaded] if loaded else []

    def handle_data(self, data):
        self.inline += data


def check(stack: Stack) -> str:
    """Says what was checked."""
    loaded = set()
    for page in ["/docs", "/docs/", "/docs/index.html"]:
        assets = Assets()
        assets.feed(stack.get(page).text)
        if not assets.addresses:
            raise Fault(f"{page} loads nothing: it cannot be the pages")
        loaded |= {urljoin(page, address) for address in assets.addresses}
        loaded |= {urljoin(page, address) for address in imports(assets.inline)}
    for address in sorted(loaded):
        if not address.startswith("/docs/") and not address.startswith("data:"):
            raise Fault(f"the pages load {address}, which is not theirs")
        text = stack.get(address).text
        for inner in imports(text) if address.endswith(".css") else []:
            if not inner.startswith("data:"):
                stack.get(urljoin(address, inner))
    menu = stack.get("/docs/swagger-initializer.js").text
    for dialect in DIALECTS:
        if f"/openapi/{dialect}.json" not in menu:
            raise Fault(f"the menu of the pages lacks {dialect}")
    return f"{len(loaded)} files, all served by the ingress itself; the menu has {len(DIALECTS)} documents"


def imports(css: str) -> list[str]:
    """What a style sheet loads."""
    return re.findall(r"url\(\s*['\"]?([^'\")]+)", css)
