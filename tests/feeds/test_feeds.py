"""The reader: every row read is a product or a reject, and each product shows its own."""

import pytest
import yaml
from shop_feed import all_rows, spec, write

from helpers.artefacts import fashion_data
from helpers.feeds import check_feed, draft_spec, load_spec, read_feed
from helpers.feeds.spec import FEEDS


def test_every_row_is_a_product_or_a_reject_with_file_row_and_value(tmp_path):
    path = write(
        tmp_path,
        "id,name,price\n1,Coat,From  42.50\n2,Hat,From\n,,\n4,,3\n5,Tee\n6,Tee,1,2\n7,Tee,\n",
    )
    products, rejects, about = read_feed(path, spec())
    assert all_rows(products, rejects) == list(range(1, about.read + 1)) == [1, 2, 3, 4, 5, 6, 7]
    assert products["product_id"].tolist() == ["1", "7"]
    assert products["price"].tolist()[0] == 42.5
    assert products["price"].isna().tolist() == [False, True]
    assert rejects["reason"].tolist() == [
        "shop.csv row 2: price 'From' is not an amount",
        "shop.csv row 3: blank row",
        "shop.csv row 4: no title",
        "shop.csv row 5: 2 cells for 3 columns",
        "shop.csv row 6: 4 cells for 3 columns",
    ]


def test_a_comma_in_the_last_column_may_lack_its_quotes(tmp_path):
    path = write(tmp_path, "id,price,name\n1,2,Shirt, blue, long\n")
    assert read_feed(path, spec(extra_cells="join_last"))[0]["title"].tolist() == [
        "Shirt, blue, long"
    ]


def test_ids_come_from_what_a_product_is_never_from_its_row(tmp_path):
    lines = ["1.0,Coat,1", ",Hat,2", ",Tee,3"]
    keys = [
        set(
            read_feed(write(tmp_path, "\n".join(["id,name,price", *order])), spec())[0]["image_key"]
        )
        for order in (lines, lines[::-1])
    ]
    assert keys[0] == keys[1]
    assert "shop/1" in keys[0]
    assert len(keys[0]) == 3


SLIPPED = """url,image,name
,https://i.test/10/a.jpg,first
/10/buy,https://i.test/11/a.jpg,ten
/11/buy,https://i.test/no-id.jpg,eleven
/12/buy,https://i.test/13/a.jpg,twelve
/13/buy,https://i.test/99/a.jpg,thirteen
/14/buy,https://i.test/13/b.jpg,fourteen
/15/buy,https://i.test/lost.jpg,fifteen
/16/buy,https://i.test/17/a.jpg,sixteen
/17/buy,,seventeen
"""


def test_slipped_images_go_to_the_product_they_show_or_to_nobody(tmp_path):
    fields = {
        "product_id": {"column": "url", "pattern": r"/(\d+)/buy"},
        "title": "name",
        "images": "image",
    }
    owner = {"product": {"column": "url", "pattern": r"/(\d+)/buy"}, "image": r"i\.test/(\d+)/"}
    products, _, _about = read_feed(
        write(tmp_path, SLIPPED), spec(fields=fields, image_owner=owner)
    )
    shown = products.set_index("title")["image_urls"].to_dict()
    assert shown.pop("ten") == ["https://i.test/10/a.jpg"]
    assert shown.pop("eleven") == ["https://i.test/11/a.jpg"]
    assert shown.pop("twelve") == ["https://i.test/no-id.jpg"]  # both neighbours moved by +1
    assert shown.pop("thirteen") == ["https://i.test/13/a.jpg", "https://i.test/13/b.jpg"]
    assert shown.pop("seventeen") == ["https://i.test/17/a.jpg"]
    assert not any(shown.values())
    # 99 is no product here; the neighbours of lost.jpg moved by -1 and by +1
    assert products.loc[products["images_unclaimed"] > 0, "title"].tolist() == [
        "thirteen",
        "fifteen",
    ]


def test_images_of_several_products_in_one_row_go_each_to_its_own(tmp_path):
    fields = {"product_id": "id", "title": "id", "images": "image"}
    owner = {"product": "id", "image": r"i\.test/(\d+)/"}
    text = 'id,image\n1,"https://i.test/1/a.jpg,https://i.test/2/b.jpg"\n2,https://i.test/1/c.jpg\n'
    products, _, _about = read_feed(write(tmp_path, text), spec(fields=fields, image_owner=owner))
    assert products["image_urls"].tolist() == [
        ["https://i.test/1/a.jpg", "https://i.test/1/c.jpg"],
        ["https://i.test/2/b.jpg"],
    ]


def test_asos_as_published(tmp_path):
    row = [
        "https://www.asos.com/stradivarius/quilted-coat/prd/203606717?clr=brown#colourWayId-203606718",
        "Nike Running padded coat in brown",
        "UK 4,UK 6,UK 14 - Out of stock",
        "Nike Running padded coat in brown",
        "From  49.99",
        "BROWN",
        "121963234.0",
        "[{'Product Details': 'Coats & Jackets by Nike RunningLow-key layeringProduct Code: "
        "121963234'}, "
        "{'Brand': 'It doesn t get better'}, {'Size & Fit': 'Model\\'s height: 174cm/5\\'8.5\"'}]",
        "['https://images.asos-media.com/products/a/203606717-4?$n_1920w$&wid=1926&fit=constrain', "
        "'https://images.asos-media.com/products/a/203606717-1-brown?$n_1920w$&wid=1926&fit=constrain', "  # noqa: E501
        "'https://images.asos-media.com/products/a/203606717-4?$n_1920w$&wid=1926&fit=constrain']",
    ]
    head = "url,name,size,category,price,color,sku,description,images"
    quoted = ",".join('"' + cell.replace('"', '""') + '"' for cell in row)
    products, rejects, _about = read_feed(write(tmp_path, f"{head}\n{quoted}\n"), "asos")
    product = products.iloc[0]
    assert len(rejects) == 0
    assert product["image_key"] == "asos/203606717"
    assert (product["brand"], product["price"], product["currency"]) == (
        "Nike Running",
        49.99,
        "GBP",
    )
    assert product["sizes"] == {"UK 4": True, "UK 6": True, "UK 14": False}
    assert "/203606717-1-brown" in product["image_urls"][0]
    assert len(product["image_urls"]) == 2
    assert "Low-key layering. Product Code" in product["description"]
    assert "Model's height: 174cm/5'8.5\"" in product["description"]


def real(folder, name):
    path = (fashion_data() or FEEDS) / folder / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"needs FASHION_DATA: {folder}/{name}.csv")
    return path


@pytest.mark.parametrize(
    "name", ["asos", "myntra_men", "zara_semicolon", "hm", "dedicated", "amazon_in", "myntra_data"]
)
def test_real_feeds_account_for_every_row(name):
    products, rejects, about = read_feed(real("retailers", name), name)
    assert all_rows(products, rejects) == list(range(1, about.read + 1))
    assert not products["title"].eq("").any()
    assert all(url.startswith("http") for urls in products["image_urls"] for url in urls)


def test_real_myntra_men_shows_no_product_another_products_image():
    products, _, _about = read_feed(real("retailers", "myntra_men"), "myntra_men")
    named = products.explode("image_urls").dropna(subset="image_urls")
    named = named.assign(
        shown=named["image_urls"].str.extract(r"assets/images/(\d{5,})/\d{4}/")[0]
    ).dropna(subset="shown")
    assert len(named) == 176  # counted in the file: images whose address holds an id
    assert (named["shown"] == named["product_id"]).all()
    assert sum(map(len, products["image_urls"])) + products["images_unclaimed"].sum() == 220


def test_draft_finds_title_price_and_images_and_check_reads_with_it(tmp_path):
    shop = "sku,ProductName,Selling Price,was,photo\n" + "".join(
        f"{i},Blue cotton shirt {i},Rs. {i}99,Rs. 999,https://i.test/{i}.jpg\n" for i in range(1, 9)
    )
    path = write(tmp_path, shop)
    drafted = write(tmp_path, draft_spec(path), "shop.yaml")
    fields = yaml.safe_load(drafted.read_text())["fields"]
    assert (fields["title"], fields["price"], fields["images"]) == (
        "ProductName",
        "Selling Price",
        "photo",
    )
    for text in ("id,name,price\n1,Coat,free\n", "sku,beschreibung\n1,Mantel\n", "a\n1\n"):
        assert load_spec(write(tmp_path, draft_spec(write(tmp_path, text)), "any.yaml")).fields[
            "title"
        ]
    path = write(tmp_path, shop)
    report = check_feed(drafted, path)
    assert report.counts == {"read": 8, "accepted": 8, "rejected": 0, "merged": 0}
    assert report.examples["price"].tolist()[:2] == [199, 299]


def test_a_row_made_of_two_products_is_rejected(tmp_path):
    text = "id,name,price,url\n1,Bouclé coat long,1,/boucle-coat-long-p1\n2,Patch bomber jacket,2,/knit-jacket-p2\n"  # noqa: E501
    text += "3,Top,3,\n"
    products, rejects, _about = read_feed(
        write(tmp_path, text), spec(same_product=("name", {"column": "url", "pattern": "/(.*)-p"}))
    )
    assert products["product_id"].tolist() == [
        "1",
        "3",
    ]  # two of three words; one of three; nothing to compare
    assert rejects["reason"].tolist() == [
        "shop.csv row 2: 'Patch bomber jacket' and 'knit-jacket' are two products"
    ]


def test_a_cell_no_shop_writes_is_rejected_not_cut(tmp_path):
    products, rejects, _about = read_feed(
        write(tmp_path, f"id,name,price\n1,Coat,2\n2,{'x' * 60_000},3\n"), spec()
    )
    assert products["product_id"].tolist() == ["1"]
    assert rejects["reason"].tolist() == [
        "shop.csv row 2: name has 60,000 characters, more than 50,000"
    ]
    assert len(rejects["value"][0]) == 200


def test_a_feed_of_nothing_but_rejects_is_shown(tmp_path):
    report = check_feed(spec(), write(tmp_path, "id,name,price\n1,Coat,free\n2,Hat,free\n"))
    assert report.counts == {"read": 2, "accepted": 0, "rejected": 2, "merged": 0}
    assert (
        "2 rejected: price … is not an amount   (shop.csv row 1: price 'free' is not an amount)"
        in str(report)
    )


def test_prices_without_a_currency_are_counted(tmp_path):
    path = write(tmp_path, "id,name,price\n1,Coat,2\n2,Hat,£3\n3,Tee,\n4,Top,5.000\n")
    products, _, about = read_feed(path, spec())
    assert products["currency"].tolist() == ["EUR", "GBP", "", "EUR"]
    assert (about.currency, about.assumed) == ("EUR", 2)
    assert "2 prices name no currency: EUR assumed" in str(check_feed(spec(), path))
    unknown = str(check_feed(spec(currency="XYZ"), path))
    assert "no rate for XYZ in data/vocabulary.yaml: its prices have no price_usd" in unknown
