# SPDX-License-Identifier: Apache-2.0
"""show - the matrix of ISPs by ports, with five ISPs 100 columns wide.

One column for each ISP, one row for each port and family where some ISP is
not plainly open, and a few that are.  Pure: data in, lines out.
"""

from compare import RIGHT

# Shown whatever they say.
ALWAYS = (("tcp", 25), ("udp", 53), ("tcp", 80), ("tcp", 443))
LABEL = 15          # width of the first column
COLOURS = {"blocked": "31", "intercepted": "35", "altered": "35",
           "open": "32", "partial": "33", "unclear": "33",
           "insufficient": "2"}
SHORT = {"intercepted": "caught", "insufficient": "too few"}


def _paint(text, label, colour):
    if not colour or not label:
        return text
    return f"\x1b[{COLOURS[label]}m{text}\x1b[0m"


def _cell_text(cell):
    """ "blocked 6/6 100%", with a "!" where the truth is another."""
    if cell is None or cell["verdict"] is None:
        return "-"
    v = cell["verdict"]
    share = "" if v["share"] is None else f" {round(100 * v['share'])}%"
    mark = "" if cell["grade"] == RIGHT else "!"
    return (f"{SHORT.get(v['label'], v['label'])} {v['k']}/{v['lines']}"
            f"{share}{mark}")


def _rows(cells):
    """The (port, transport, family) worth a row, in order."""
    rows = set()
    for c in cells:
        shown = c["verdict"] is not None and (
            c["verdict"]["label"] != "open" or c["verdict"]["k"] > 0)
        pinned = (c["transport"], c["port"]) in ALWAYS and c["family"] == 4
        if shown or pinned or c["grade"] != RIGHT:
            rows.add((c["port"], c["transport"], c["family"]))
    return sorted(rows)


def _header(isps, lines, width):
    yield " " * LABEL + "".join(
        f"{i.name[:width - 1]:<{width}}" for i in isps).rstrip()
    yield " " * LABEL + "".join(
        f"{f'AS{i.asn} {i.country} {lines[i.asn]}':<{width}}"
        for i in isps).rstrip()


def matrix(world, cells, colour):
    """Return the lines of the matrix and of what is below it."""
    at = {(c["asn"], c["port"], c["transport"], c["family"]): c for c in cells}
    lines = {isp.asn: max([c["verdict"]["lines"] for c in cells
                           if c["asn"] == isp.asn and c["verdict"]] or [0])
             for isp in world.isps}
    width = 1 + max([len(_cell_text(c)) for c in cells] + [15])
    out = list(_header(world.isps, lines, width))
    rows = _rows(cells)
    for port, transport, family in rows:
        name = f"{transport}/{port}" + (" IPv6" if family == 6 else "")
        text = f"{name:<{LABEL}}"
        for isp in world.isps:
            cell = at.get((isp.asn, port, transport, family))
            label = cell and cell["verdict"] and cell["verdict"]["label"]
            text += _paint(f"{_cell_text(cell):<{width}}", label, colour)
        out.append(text.rstrip())
    hidden = len({(c["port"], c["transport"], c["family"])
                  for c in cells}) - len(rows)
    out.append(f"Each cell: verdict, lines that it is about / lines heard, "
               f"share. {hidden} more rows are open")
    out.append("everywhere. caught: something else answers (intercepted). "
               "The second line of the head ends")
    out.append("with the number of lines.")
    return out


def differences(cells):
    """Return one line for each cell that differs, and the count."""
    wrong = [c for c in cells if c["grade"] != RIGHT]
    out = [f"! AS{c['asn']} {c['transport']}/{c['port']} IPv{c['family']}: "
           f"{c['reason']}; true is {c['truth']['label']} {c['truth']['k']}/"
           f"{c['truth']['n']} ({c['truth']['why']})" for c in wrong]
    out.append(f"{len(wrong)} of {len(cells)} cells differ from the truth of "
               "the world.")
    return out
