"""Exports of known shops, made from their vendors' published columns: the draft alone reads them."""

# ruff: noqa: E501  # rows are as the vendors' own exports have them

import json

import pytest
from drafted import drafted

from helpers.feeds.layouts import layouts, recognise

SHOPIFY = """Handle,Title,Body (HTML),Vendor,Type,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,Variant Inventory Qty,Variant Inventory Policy,Variant Price,Variant Compare At Price,Image Src,SEO Title,Google Shopping / Gender,Status
wool-coat,Wool coat,<p>Warm.</p>,Harbour,Coats,true,Größe,S,Farbe,Navy,C-1,0,deny,$120.00,$150.00,https://s.test/coat.jpg,Buy it,male,active
wool-coat,,,,,,,M,,Navy,C-2,3,deny,$120.00,$150.00,https://s.test/coat-back.jpg,,,
wool-coat,,,,,,,L,,Navy,C-3,0,continue,$120.00,$150.00,,,,
wool-coat,,,,,,,,,,,,,,,https://s.test/coat-side.jpg,,,
old-hat,Old hat,,Harbour,Hats,true,Title,Default Title,,,H-1,4,deny,$9.00,,https://s.test/hat.jpg,,,draft
tote,Tote,,Harbour,Bags,true,Title,Default Title,,,T-1,0,deny,$9.00,,https://s.test/tote.jpg,,,active
"""


def test_shopify_csv(tmp_path):
    shop = drafted(tmp_path, SHOPIFY)
    assert "looks like a Shopify product export" in shop.yaml
    assert shop.column("title") == {"wool-coat": "Wool coat", "tote": "Tote"}
    assert shop.column("price") == {"wool-coat": 120, "tote": 9}
    assert shop.column("currency") == {"wool-coat": "USD", "tote": "USD"}
    assert shop.column("category") == {"wool-coat": "coats", "tote": "bags"}
    assert shop.column("colour")["wool-coat"] == "navy"
    assert shop.column("gender")["wool-coat"] == "men"
    assert shop.column("description")["wool-coat"] == "Warm."
    assert shop.column("availability") == {"wool-coat": "in stock", "tote": "out of stock"}
    names = [url.rpartition("/")[2] for url in shop.column("image_urls")["wool-coat"]]
    assert names == ["coat.jpg", "coat-back.jpg", "coat-side.jpg"]
    assert shop.sizes == {
        ("wool-coat", "S"): False,
        ("wool-coat", "M"): True,
        ("wool-coat", "L"): True,
    }
    assert shop.feed.products["list_price"].dropna().tolist() == [150, 150, 150]
    assert shop.reasons == ["'true' is outside what this feed's `keep` takes"]
    assert [reason.partition(": ")[2] for reason in shop.merged["reason"]] == [
        "same id as shop.csv row 1" for _ in range(3)
    ]


def test_shopify_products_json(tmp_path):
    variant = {"option1": "Red", "price": "19.00", "compare_at_price": None}
    tee = {
        "id": 1,
        "title": "Boxy tee",
        "handle": "boxy-tee",
        "body_html": "<b>Soft</b>",
        "vendor": "North",
        "product_type": "T-Shirts",
        "tags": ["men", "sale"],
        "variants": [
            variant | {"id": 1, "option2": "S", "available": False},
            variant | {"id": 2, "option2": "M", "available": True},
        ],
        "images": [{"src": "https://s.test/1.jpg"}, {"src": "https://s.test/2.jpg"}],
        "options": [{"name": "Color", "values": ["Red"]}, {"name": "Size", "values": ["S", "M"]}],
    }
    shop = drafted(tmp_path, json.dumps({"products": [tee]}), "products.json")
    assert "looks like a Shopify products.json" in shop.yaml
    assert shop.one("product_id", "title", "price", "category", "colour", "gender") == (
        "boxy-tee",
        "Boxy tee",
        19,
        "t-shirts",
        "red",
        "men",
    )
    assert shop.one("description", "availability") == ("Soft", "in stock")
    assert len(shop.one("image_urls")[0]) == 2
    assert shop.sizes == {("boxy-tee", "S"): False, ("boxy-tee", "M"): True}


WOO = """ID,Type,SKU,Name,Published,In stock?,Stock,Sale price,Regular price,Categories,Images,Parent,Allow customer reviews?,Grouped products,Attribute 1 name,Attribute 1 value(s),Attribute 2 name,Attribute 2 value(s)
10,variable,dress,Summer dress,1,1,,,,Clothing > Women > Dresses,"https://s.test/d.jpg, https://s.test/d2.jpg",,1,,Color,"Green, Red",Size,"S, M"
11,variation,dress-s,Summer dress - Green,1,0,0,29,39,,,dress,0,,Color,Green,Size,S
12,variation,dress-m,Summer dress - Red,1,1,4,29,39,,https://s.test/d3.jpg,dress,0,,Color,Red,Size,M
13,simple,,Felt hat,1,backorder,,,25,Clothing > Accessories,https://s.test/h.jpg,,1,"4, 5",,,,
14,variable,gone,Gone skirt,-1,1,,,,Clothing > Skirts,,,1,,,,,
15,variation,gone-s,Gone skirt - S,1,1,,9,9,,,gone,0,,,,Size,S
16,variation,hat-l,Felt hat - L,1,1,,,26,,,id:13,0,,,,Size,L
"""


def test_woocommerce(tmp_path):
    shop = drafted(tmp_path, WOO)
    assert "looks like a WooCommerce product export" in shop.yaml
    assert shop.column("title") == {"dress": "Summer dress", "13": "Felt hat"}
    assert shop.column("price") == {"dress": 29, "13": 25}
    assert shop.column("category") == {"dress": "dresses", "13": "accessories"}
    assert shop.column("gender")["dress"] == "women"
    assert shop.column("colour")["dress"] == "green"
    assert shop.column("availability") == {"dress": "in stock", "13": "in stock"}
    assert len(shop.column("image_urls")["dress"]) == 3
    assert shop.sizes == {("dress", "S"): False, ("dress", "M"): True, ("13", "L"): True}
    assert sorted(shop.reasons) == [
        "'-1' is outside what this feed's `keep` takes",
        "its product's '-1' is outside this feed's `keep`",
    ]
    fields = shop.feed.about.spec.fields
    assert "n_reviews" not in fields and "gender" not in fields


WIX = """handleId,fieldType,name,description,productImageUrl,collection,sku,ribbon,price,surcharge,visible,discountMode,discountValue,inventory,weight,productOptionName1,productOptionType1,productOptionDescription1,productOptionName2,productOptionType2,productOptionDescription2
product_1,Product,Canvas sneaker,<p>Light</p>,a1.jpg;a2.jpg,Shoes,S1,,80,,true,PERCENT,25,InStock,,Size,DROP_DOWN,39;40,Color,COLOR,#ffffff:White
product_1,Variant,,,,,S1-39,,,0,true,,,0,,Size,DROP_DOWN,39,Color,COLOR,#ffffff:White
product_1,Variant,,,,,S1-40,,,0,true,,,7,,Size,DROP_DOWN,40,Color,COLOR,#ffffff:White
product_2,Product,Leather belt,,b.jpg,Accessories,B1,,30,,true,AMOUNT,5,OutOfStock,,,,,,,
product_3,Product,Hidden bag,,c.jpg,Bags,C1,,30,,false,,,InStock,,,,,,,
"""


def test_wix(tmp_path):
    shop = drafted(tmp_path, WIX)
    assert "looks like a Wix product export" in shop.yaml
    assert shop.column("price") == {"product_1": 60, "product_2": 25}
    assert shop.column("category") == {"product_1": "footwear", "product_2": "accessories"}
    assert shop.column("colour")["product_1"] == "white"
    assert shop.column("image_urls")["product_1"] == [
        "https://static.wixstatic.com/media/a1.jpg",
        "https://static.wixstatic.com/media/a2.jpg",
    ]
    assert shop.column("availability") == {"product_1": "in stock", "product_2": "out of stock"}
    assert shop.sizes == {("product_1", "39"): False, ("product_1", "40"): True}
    assert len(shop.reasons) == 1


MAGENTO = """sku,attribute_set_code,product_type,categories,name,description,product_online,visibility,price,special_price,url_key,base_image,additional_images,additional_attributes,qty,is_in_stock,configurable_variations
MJ-S-Blue,Top,simple,Default Category/Men/Jackets,Rain jacket-S-Blue,,1,Not Visible Individually,99,79,rain-jacket-s,/m/j/1.jpg,,"brand=Luma,color=Blue,size=S",0,0,
MJ-M-Blue,Top,simple,Default Category/Men/Jackets,Rain jacket-M-Blue,,1,Not Visible Individually,99,79,rain-jacket-m,/m/j/1.jpg,,"color=Blue,size=M",5,1,
MJ,Top,configurable,Default Category/Men/Jackets,Rain jacket,<p>Dry</p>,1,"Catalog, Search",99,79,rain-jacket,/m/j/0.jpg,"/m/j/1.jpg,/m/j/2.jpg",brand=Luma,0,1,"sku=MJ-S-Blue,size=S,color=Blue|sku=MJ-M-Blue,size=M,color=Blue"
SOCK,Sock,simple,Default Category/Men/Socks,Wool sock,,1,"Catalog, Search",9,,sock,/s/o.jpg,,color=Grey,0,0,
"""


def test_magento(tmp_path):
    base = "image_base: https://m.test/media/catalog/product\n"
    shop = drafted(tmp_path, MAGENTO, changes=base)
    assert "looks like a Magento product export" in shop.yaml
    assert "write it as image_base" in shop.yaml
    assert shop.column("title") == {"MJ": "Rain jacket", "SOCK": "Wool sock"}
    assert shop.column("price") == {"MJ": 79, "SOCK": 9}
    assert shop.column("category") == {"MJ": "jackets", "SOCK": "accessories"}
    assert shop.column("colour") == {"MJ": "blue", "SOCK": "grey"}
    assert shop.column("gender")["MJ"] == "men"
    assert shop.column("brand")["MJ"] == "Luma"
    assert shop.column("image_urls")["MJ"][0] == "https://m.test/media/catalog/product/m/j/0.jpg"
    assert len(shop.column("image_urls")["MJ"]) == 3
    assert shop.column("availability") == {"MJ": "in stock", "SOCK": "out of stock"}
    assert shop.sizes == {("MJ", "S"): False, ("MJ", "M"): True}


GOOGLE = """id\ttitle\tdescription\tlink\timage_link\tadditional_image_link\tavailability\tprice\tsale_price\titem_group_id\tgoogle_product_category\tproduct_type\tcolor\tsize\tgender\tage_group\tbrand
K-38\tKnit skirt\tWarm\thttps://g.test/k?v=38\thttps://g.test/k.jpg\thttps://g.test/k2.jpg,https://g.test/k3.jpg\tin_stock\t60.00 GBP\t45.00 GBP\tK\t1581\tWomen > Skirts\tOlive\t38\tfemale\tadult\tNorth
K-40\tKnit skirt\tWarm\thttps://g.test/k?v=40\thttps://g.test/k.jpg\t\tout_of_stock\t60.00 GBP\t45.00 GBP\tK\t1581\tWomen > Skirts\tOlive\t40\tfemale\tadult\tNorth
B\tBelt\t\thttps://g.test/b\thttps://g.test/b.jpg\t\tpreorder\t20.00 GBP\t\t\t\tMen > Belts\tBlack\t\tmale\tadult\tNorth
"""


def check_google(shop):
    assert shop.column("title") == {"K": "Knit skirt", "B": "Belt"}
    assert shop.column("price") == {"K": 45, "B": 20}
    assert shop.column("currency") == {"K": "GBP", "B": "GBP"}
    assert shop.column("category") == {"K": "skirts", "B": "accessories"}
    assert shop.column("colour") == {"K": "olive", "B": "black"}
    assert shop.column("gender") == {"K": "women", "B": "men"}
    assert shop.column("availability") == {"K": "in stock", "B": "preorder"}
    assert shop.column("url")["K"] == "https://g.test/k?v=38"
    assert [url[-6:] for url in shop.column("image_urls")["K"]] == ["/k.jpg", "k2.jpg", "k3.jpg"]
    assert shop.sizes == {("K", "38"): True, ("K", "40"): False}


def test_google_merchant_tsv(tmp_path):
    shop = drafted(tmp_path, GOOGLE, "shop.tsv")
    assert "looks like a Google Merchant product feed (TSV or CSV)" in shop.yaml
    check_google(shop)


def as_xml(tsv, wrap, item):
    """The same products as XML, as the specification writes them."""
    lines = [line.split("\t") for line in tsv.strip().splitlines()]
    items = []
    for cells in lines[1:]:
        parts = []
        for name, cell in zip(lines[0], cells, strict=True):
            texts = cell.split(",") if name == "additional_image_link" else [cell]
            parts += [f"<g:{name}>{text}</g:{name}>" for text in texts if text]
        items.append(f"<{item}><title>shown in readers</title>{''.join(parts)}</{item}>")
    return wrap.replace("ITEMS", "".join(items))


@pytest.mark.parametrize(
    ("wrap", "item"),
    [
        (
            '<rss xmlns:g="http://base.google.com/ns/1.0"><channel><title>S</title>ITEMS</channel></rss>',
            "item",
        ),
        (
            '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">'
            "<title>S</title>ITEMS</feed>",
            "entry",
        ),
    ],
)
def test_google_merchant_xml(tmp_path, wrap, item):
    text = '<?xml version="1.0" encoding="UTF-8"?>\n' + as_xml(GOOGLE, wrap, item)
    shop = drafted(tmp_path, text, "shop.xml")
    assert "looks like a Google Merchant product feed (XML)" in shop.yaml
    check_google(shop)


FACEBOOK = """# Required | A unique ID; use the SKU,# Required | title; at most 200,,,,,,,,,,,
id,title,description,availability,condition,price,sale_price,link,image_link,brand,fb_product_category,quantity_to_sell_on_facebook,color
F1,Denim jacket,Blue denim,in stock,new,89.00 EUR,,https://f.test/1,https://f.test/1.jpg,North,Clothing > Jackets,3,Blue
F2,Silk scarf,,out of stock,new,39.00 EUR,29.00 EUR,https://f.test/2,https://f.test/2.jpg,North,Accessories > Scarves,0,Red
"""


def test_facebook(tmp_path):
    shop = drafted(tmp_path, FACEBOOK)
    assert "looks like a Facebook (Meta) catalogue" in shop.yaml
    assert "1 line above the names of the columns passed over" in shop.yaml
    assert shop.column("price") == {"F1": 89, "F2": 29}
    assert shop.column("currency") == {"F1": "EUR", "F2": "EUR"}
    assert shop.column("category") == {"F1": "jackets", "F2": "accessories"}
    assert shop.column("colour") == {"F1": "blue", "F2": "red"}
    assert shop.column("availability") == {"F1": "in stock", "F2": "out of stock"}
    assert shop.column("url")["F1"] == "https://f.test/1"


def test_google_retail_json_lines(tmp_path):
    common = {
        "type": "VARIANT",
        "primaryProductId": "P",
        "title": "Linen trousers",
        "categories": ["Apparel > Trousers"],
        "priceInfo": {"currencyCode": "EUR", "price": 49.5, "originalPrice": 70},
        "images": [{"uri": "https://r.test/1.jpg", "height": 100}],
        "colorInfo": {"colorFamilies": ["Brown"], "colors": ["Camel"]},
        "audience": {"genders": ["female"]},
        "uri": "https://r.test/p",
        "rating": {"averageRating": 4.2, "ratingCount": 12},
    }
    lines = [
        json.dumps(common | {"id": "P-1", "sizes": ["36"], "availability": "OUT_OF_STOCK"}),
        json.dumps(common | {"id": "P-2", "sizes": ["38"], "availability": "IN_STOCK"}),
    ]
    shop = drafted(tmp_path, "\n".join(lines), "shop.jsonl")
    assert "looks like a Google Retail products" in shop.yaml
    assert shop.one("product_id", "price", "currency") == ("P", 49.5, "EUR")
    assert shop.one("category", "colour", "gender") == ("trousers", "beige", "women")
    assert shop.one("rating", "n_reviews", "url") == (4.2, 12, "https://r.test/p")
    assert shop.one("availability", "image_urls") == ("in stock", ["https://r.test/1.jpg"])
    assert shop.sizes == {("P", "36"): False, ("P", "38"): True}


AWIN = """aw_deep_link,product_name,aw_product_id,merchant_product_id,merchant_image_url,description,merchant_category,search_price,rrp_price,currency,merchant_deep_link,brand_name,colour,in_stock,Fashion:suitable_for,Fashion:size
https://a.test/go?1,Leather boots,111,B-1,https://m.test/b.jpg,Sturdy,Footwear > Boots,99.00,149.00,GBP,https://m.test/b,North,Brown,1,Women,39
https://a.test/go?2,Wool beanie,112,B-2,https://m.test/w.jpg,,Accessories > Beanies,15.00,,GBP,https://m.test/w,North,Grey,0,Unisex,
"""


def test_awin(tmp_path):
    shop = drafted(tmp_path, AWIN)
    assert "looks like an Awin product feed" in shop.yaml
    assert shop.column("price") == {"B-1": 99, "B-2": 15}
    assert shop.column("currency") == {"B-1": "GBP", "B-2": "GBP"}
    assert shop.column("category") == {"B-1": "footwear", "B-2": "accessories"}
    assert shop.column("colour") == {"B-1": "brown", "B-2": "grey"}
    assert shop.column("gender") == {"B-1": "women", "B-2": "unisex"}
    assert shop.column("url")["B-1"] == "https://m.test/b"
    assert shop.column("availability") == {"B-1": "in stock", "B-2": "out of stock"}


CJ_SHOPPING = """PROGRAM_NAME,CATALOG_NAME,ID,TITLE,DESCRIPTION,LINK,IMAGE_LINK,AVAILABILITY,PRICE,SALE_PRICE,PRODUCT_TYPE,BRAND,COLOR,GENDER,SIZE,ITEM_GROUP_ID
North,Main,C-1,Silk blouse,Fine,https://c.test/1,https://c.test/1.jpg,in stock,80.00 USD,60.00 USD,Women > Tops,North,White,female,S,
"""
CJ_CATALOGUE = """PROGRAMNAME,CATALOGNAME,NAME,SKU,DESCRIPTION,BUYURL,IMAGEURL,INSTOCK,CURRENCY,PRICE,SALEPRICE,ADVERTISERCATEGORY,MANUFACTURER,GENDER,COLOR
North,Main,Silk blouse,C-1,Fine,https://c.test/1,https://c.test/1.jpg,yes,USD,80.00,60.00,Women > Tops,North,female,White
"""


@pytest.mark.parametrize("text", [CJ_SHOPPING, CJ_CATALOGUE])
def test_cj(tmp_path, text):
    shop = drafted(tmp_path, text)
    assert "looks like a CJ product feed" in shop.yaml
    assert shop.one("product_id", "title", "price", "currency") == ("C-1", "Silk blouse", 60, "USD")
    assert shop.one("category", "colour", "gender") == ("tops", "white", "women")
    assert shop.one("availability", "url") == ("in stock", "https://c.test/1")
    assert shop.one("image_urls")[0] == ["https://c.test/1.jpg"]


def test_each_layout_loads_and_plain_shops_are_none():
    assert len(layouts()) == 11
    assert recognise(["id", "title", "price", "image", "color"]) is None
    assert recognise(["url", "name", "size", "category", "price", "color", "sku", "images"]) is None


def test_columns_are_known_in_any_case(tmp_path):
    lines = GOOGLE.splitlines()
    lines[0] = lines[0].replace("_", " ").title()
    check_google(drafted(tmp_path, "\n".join(lines) + "\n", "shop.tsv"))
