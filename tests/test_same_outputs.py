"""The comparison of notebooks' outputs passes what rounding does, and no more."""

import pytest
from same_outputs import Rules, compare, differences


def same(stored: str, fresh: str, is_html: bool = False, **rules) -> bool:
    """Whether a fresh text passes for a stored one; comparing is done in both directions."""
    return not compare(stored, fresh, Rules(**rules), is_html)


@pytest.mark.parametrize(
    ("stored", "fresh"),
    [
        ("NDCG 0.43", "NDCG 0.44"),
        ("NDCG 0.43", "NDCG  0.42"),
        ("0.430", "0.431"),
        ("1.00 ± 0.02", "0.99 ± 0.03"),
        ("[0.41, 0.45]", "[0.40, 0.46]"),
        ("[0.41,0.45]", "[0.40,0.46]"),
        ("0.41-0.45", "0.40-0.44"),
        ("0.41–0.45", "0.40–0.44"),
        (".55/.63", ".56/.62"),
        ("0.00", "-0.01"),
        ("0.3", "0.301"),
        ("p = 1.2e-05", "p = 1.3e-05"),
        ("p = 2e-05", "p = 3e-05"),
        ("43 %", "44 %"),
        ("43%", "42%"),
        ("43\u00a0%", "42\u00a0%"),
        ("43.1 %", "43.2 %"),
        ("1,234", "1234"),
        ("1,234.56", "1,234.57"),
        ("−0.31", "-0.32"),
        ("took 21.6s", "took 21.7s"),
        ("P@5 0.64.", "P@5 0.65."),
        ("user nan", "user nan"),
        ("<Axes at 0x7f01ab3c>", "<Axes at 0x7fffffff12>"),
        ("a\n\nb", "a\nb"),
        ("", ""),
    ],
)
def test_rounding_passes(stored, fresh):
    assert same(stored, fresh)
    assert same(fresh, stored)


@pytest.mark.parametrize(
    ("stored", "fresh"),
    [
        ("NDCG 0.43", "NDCG 0.45"),
        ("NDCG 0.43", "MAP 0.43"),
        ("0.430", "0.432"),
        ("0.3", "0.302"),
        ("0.31", "-0.31"),
        ("0.31", "−0.31"),
        ("+0.02", "-0.02"),
        ("1.2e-05", "1.2e-04"),
        ("1.2e-05", "1.4e-05"),
        ("43 %", "45 %"),
        ("43 %", "-43 %"),
        ("43", "44"),
        ("k=5", "k=6"),
        ("P@5", "P@6"),
        ("1,234", "1,235"),
        ("1,234 rows", "1,234 users"),
        ("12:03", "12:04"),
        ("2.4.6", "2.4.7"),
        ("x86", "x87"),
        ("B_12", "B_13"),
        ("3f2a", "4f2a"),
        ("1e3f", "2e3f"),
        ("0.43", "nan"),
        ("0.43", "NaN"),
        ("inf", "-inf"),
        ("0.43 ok", "0.43"),
        ("0.43", "#"),
        ("a\nb", "a"),
        ("a\nb", "a\nb\nc"),
        ("a 0.1\nb 0.2", "b 0.2\na 0.1"),
        ("0.43 0.44", "0.43"),
        ("True", "False"),
        ("", "0"),
    ],
)
def test_errors_fail(stored, fresh):
    assert not same(stored, fresh)
    assert not same(fresh, stored)


def test_relative_tolerance_is_of_the_stored_number():
    assert same("loss 0.500", "loss 0.514", rtol=0.03)
    assert not same("loss 0.500", "loss 0.516", rtol=0.03)
    assert same("1,000 steps", "1,030 steps", rtol=0.03)
    assert not same("1,000 steps", "1,031 steps", rtol=0.03)
    assert not same("0.500", "-0.500", rtol=0.1)
    assert not same("k=5", "k=6", rtol=0.1)
    assert not same("0.500", "nan", rtol=0.1)


def table(*rows: str, head: str = "<th></th><th>NDCG</th><th>seconds</th>") -> str:
    body = "\n".join(f"    <tr>\n      {row}\n    </tr>" for row in rows)
    return f"<table>\n<thead>\n<tr>{head}</tr>\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def row(name: str, ndcg: str, seconds: str = "1.0") -> str:
    return f"<th>{name}</th><td>{ndcg}</td><td>{seconds}</td>"


ORACLE = row("Oracle", "0.93")
CONTENT = row("Content", "0.63")
STORED = table(ORACLE, CONTENT)


def test_html_tables_are_compared_as_printed_ones():
    assert same(STORED, table(row("Oracle", "0.92"), row("Content", "0.64")), is_html=True)
    assert not same(STORED, table(ORACLE, row("Content", "0.65")), is_html=True)
    assert not same(STORED, table(ORACLE, row("Content", "-0.63")), is_html=True)
    assert not same(STORED, table(ORACLE, row("EASE", "0.63")), is_html=True)
    assert not same(STORED, table(ORACLE, row("Content", "")), is_html=True)
    assert not same(STORED, table(ORACLE), is_html=True)
    assert not same(STORED, table(CONTENT, ORACLE), is_html=True)


def test_html_tags_are_exact_and_numbers_in_them_are_words():
    assert not same("<b>0.43</b>", "<i>0.43</i>", is_html=True)
    assert not same('<td rowspan="2">0.43</td>', '<td rowspan="3">0.43</td>', is_html=True)
    assert not same(
        '<p style="opacity: 0.43">x</p>', '<p style="opacity: 0.44">x</p>', is_html=True
    )
    assert same("<td>43&nbsp;%</td>", "<td>44&nbsp;%</td>", is_html=True)
    assert not same("<td>&lt;NA&gt;</td>", "<td>1</td>", is_html=True)
    embedded = '<img src="data:image/png;base64,AAAA">'
    assert same(embedded, embedded.replace("AAAA", "BBBB"), is_html=True)
    assert not same('<img src="a.png">', '<img src="b.png">', is_html=True)


def test_rows_reorder_only_where_the_metadata_says_so():
    rules = {"is_html": True, "any_order": True}
    assert same(STORED, table(CONTENT, ORACLE), **rules)
    assert not same(STORED, table(row("Content", "0.93"), row("Oracle", "0.63")), **rules)
    assert not same(STORED, table(CONTENT, CONTENT), **rules)
    assert same("a 0.1\nb 0.2", "b 0.2\na 0.1", any_order=True)


def test_every_line_finds_a_partner_of_its_own_where_a_greedy_choice_would_not():
    assert same("x 0.2\nx 0.1", "x 0.3\nx 0.2", any_order=True)
    assert same("x 0.1\nx 0.2", "x 0.2\nx 0.0", any_order=True)
    assert not same("x 0.1\nx 0.2", "x 0.4\nx 0.2", any_order=True)
    assert same("", "", any_order=True)


def test_timing_columns_of_html_tables_are_not_compared_but_all_others_are():
    def fresh(ndcg: str, seconds: str) -> str:
        return table(row("Oracle", ndcg, seconds), CONTENT)

    rules = {"is_html": True, "timing_columns": ("seconds",)}
    assert same(STORED, fresh("0.93", "7.3"), **rules)
    assert not same(STORED, fresh("0.95", "7.3"), **rules)
    assert not same(STORED, fresh("0.93", "NaN"), **rules)
    assert not same(STORED, fresh("0.93", "7.3 ms"), **rules)
    assert not same(STORED, fresh("0.93", "7.3"), is_html=True)


def test_timing_columns_are_found_below_wide_headings_and_beside_tall_cells():
    head = '<th></th><th></th><th>NDCG</th><th colspan="2">seconds</th>'

    def tall(fit: str, score: str, ndcg: str = "0.5"):
        first = f'<th rowspan="2">A</th><th>x</th><td>{ndcg}</td><td>{fit}</td><td>{score}</td>'
        second = f"<th>y</th><td>{ndcg}</td><td>{fit}</td><td>{score}</td>"
        return table(first, second, head=head)

    rules = {"is_html": True, "timing_columns": ("seconds",)}
    assert same(tall("1", "2"), tall("8", "9"), **rules)
    assert not same(tall("1", "2"), tall("1", "2", ndcg="0.9"), **rules)


PRINTED = """
method   NDCG  seconds   MB
Oracle   0.93     1.20   70
Content  0.63   100.00    8

3 methods
"""


def test_timing_columns_of_printed_tables_are_not_compared_but_all_others_are():
    rules = {"timing_columns": ("seconds", "MB")}
    assert same(PRINTED, PRINTED.replace("  1.20   70", "321.20  123"), **rules)
    assert not same(PRINTED, PRINTED.replace("0.93", "0.95"), **rules)
    assert not same(PRINTED, PRINTED.replace("3 methods", "4 methods"), **rules)
    assert not same(PRINTED, PRINTED.replace("1.20", " NaN"), **rules)
    assert not same(PRINTED, PRINTED.replace("1.20", "9.20"), timing_columns=("MB",))


def test_timing_rows_are_not_compared_but_all_others_are():
    stored = "rows: 228\nper second: 53 (1,147 in 21.6 s)"
    rules = {"timing_rows": ("per second",)}
    assert same(stored, "rows: 228\nper second: 90 (1,148 in 3.2 s)", **rules)
    assert not same(stored, "rows: 229\nper second: 53 (1,147 in 21.6 s)", **rules)
    assert not same(stored, "rows: 228\nper second: 53 (1,147 in 21.6 ms)", **rules)
    fresh = table(row("Oracle", "0.11"), row("Content", "0.63"))
    assert same(STORED, fresh, is_html=True, timing_rows=("Oracle",))
    assert not same(STORED, fresh, is_html=True, timing_rows=("Content",))


def stream(text: str) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": text}


def shown(**data: str) -> dict:
    kinds = {kind.replace("_", "/"): text for kind, text in data.items()}
    return {"output_type": "display_data", "data": kinds, "metadata": {}}


def test_outputs_are_compared_kind_by_kind():
    assert differences([], []) == []
    assert differences([stream("0.43")], [stream("0.44")]) == []
    assert differences([stream("0.43")], [stream("0.45")])
    assert differences([stream("a")], [])
    assert differences([], [stream("a")])
    assert differences([stream("a")], [shown(text_plain="a")])
    a = shown(text_plain="a")
    b = shown(text_plain="b")
    assert differences([a, b], [b, a])
    assert differences([shown(text_latex="x^2")], [shown(text_latex="x^3")])


def test_escaped_numbers_of_markdown_are_numbers():
    stored = shown(text_markdown="ahead by &#43;0&#46;017")
    assert differences([stored], [shown(text_markdown="ahead by &#43;0&#46;016")]) == []
    assert differences([stored], [shown(text_markdown="ahead by &#43;0&#46;014")])
    assert differences([stored], [shown(text_markdown="behind by &#43;0&#46;017")])


def test_pictures_must_be_there_but_may_differ():
    assert differences([shown(image_png="AAAA")], [shown(image_png="BBBB")]) == []
    assert differences([shown(image_png="AAAA")], [])
    assert differences([shown(image_png="AAAA")], [shown(text_plain="a")])


def test_the_plain_twin_of_a_table_is_not_compared():
    stored = shown(text_html=STORED, text_plain="seconds  1.0")
    fresh = shown(text_html=STORED, text_plain="...")
    assert differences([stored], [fresh]) == []


def test_a_report_names_the_line_and_both_numbers():
    (told,) = differences([stream("a\nNDCG 0.43\n")], [stream("a\nNDCG 0.45\n")])
    assert told == "stdout: line 2 was  NDCG 0.43\n    and is now  NDCG 0.45"
    told = differences([stream("a\nb\n")], [stream("a\n")])
    assert told == ["stdout: 2 lines stored, 1 now", "stdout: @@ -2 +1,0 @@", "stdout: -b"]


def test_names_of_timings_must_occur_in_the_output():
    rules = Rules.of({"timing_columns": ["minutes"], "timing_rows": ["a"]})
    told = differences([stream("a 1")], [stream("a 2")], rules)
    assert told == ["metadata names 'minutes', which no output holds"]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"rtol": 0.2}, "print fewer digits"),
        ({"rtol": -0.1}, "print fewer digits"),
        ({"rtol": "0.03"}, "print fewer digits"),
        ({"any_order": "yes"}, "neither true nor false"),
        ({"timing_columns": "seconds"}, "not a list of names"),
        ({"timing_rows": [""]}, "not a list of names"),
        ({"timings": True}, "'timings' is unknown.*timing_columns"),
        ({"atol": 1}, "'atol' is unknown"),
    ],
)
def test_metadata_is_checked(metadata, message):
    with pytest.raises(ValueError, match=message):
        Rules.of(metadata)


def test_metadata_is_read():
    metadata = {
        "tags": [],
        "slideshow": {},
        "rtol": 0.03,
        "any_order": True,
        "timing_columns": ["MB"],
    }
    assert Rules.of(metadata) == Rules(0.03, True, ("MB",), ())
    assert Rules.of({}) == Rules()
