"""What shops call their columns, in English, German, French, Spanish and Italian."""

import re
import unicodedata
from functools import cache

# For each field the usual names, the likeliest first; the values of a column decide between them.
NAMES: dict[str, str] = {
    "title": "title, product title, product name, item name, name, product display name, product, "
    "item title, bezeichnung, artikelbezeichnung, produktbezeichnung, artikelname, produktname, "
    "produkttitel, titel, titre, nom, nom du produit, nom produit, libelle, designation, intitule, "
    "titulo, nombre, nombre del producto, nombre producto, titolo, nome, nome prodotto, "
    "denominazione, prodotto, producto, produit, produkt, navn, varenavn, produktnavn, naam, "
    "productnaam, namn, produktnamn, nazwa, nome do produto",
    "price": "sale price, special price, sold price, selling price, current price, final price, "
    "offer price, discounted price, discount price, angebotspreis, aktionspreis, sonderpreis, "
    "verkaufspreis, prix promo, prix solde, prix de vente, prix remise, precio oferta, "
    "precio rebajado, precio venta, prezzo scontato, prezzo offerta, prezzo vendita, price, "
    "variant price, price vat, preis, bruttopreis, prix, prix ttc, precio, pvp, prezzo, amount, "
    "cost, "
    "regular price, kosten, tarif, montant, importe, pris, prijs, preco, cena, hinta",
    "images": "image, images, image link, image url, image src, img, imgs, photo, photos, picture, "
    "pictures, thumbnail, thumb, product image, main image, base image, bild, bilder, bild url, "
    "bildlink, produktbild, foto, fotos, image principale, imagen, imagenes, immagine, immagini",
    "product_id": "id, product id, item id, sku, article number, article, product code, "
    "style code, "
    "handle, code, pid, asin, gtin, ean, upc, artikelnummer, artikelnr, artikel nr, artnr, art nr, "
    "produktnummer, bestellnummer, produkt id, reference, ref, code produit, codigo, referencia, "
    "id producto, codice, codice prodotto, codice articolo, riferimento, id prodotto, varenr, "
    "varenummer, varunummer, produktnr, artikelcode, kod produktu, codigo do produto",
    "description": "description, product description, long description, body html, desc, descr, "
    "details, detail, summary, about, short description, beschreibung, produktbeschreibung, "
    "artikelbeschreibung, langtext, descriptif, descripcion, descrizione, dettagli, detalles",
    "brand": "brand, brand name, vendor, manufacturer, designer, label, marke, hersteller, "
    "herstellername, marque, fabricant, marca, fabricante, produttore, fabbricante, varumarke, "
    "merk, fabrikat, maerke, marka, merke",
    "category": "category, categories, product category, product type, google product category, "
    "type, subcategory, sub category, section, department, dept, terms, collection, kategorie, "
    "kategorien, warengruppe, produktkategorie, produkttyp, produktart, artikelgruppe, categorie, "
    "rayon, type de produit, categoria, categorias, tipo de producto, tipo, categorie prodotto, "
    "tipo prodotto, reparto, seccion, article type, varugrupp, produktgrupp, varegruppe, "
    "productgroep, gruppe, kategori, kategoria, grupa, grupo",
    "gender": "gender, sex, target gender, department, dept, section, target group, group, "
    "geschlecht, zielgruppe, genre, sexe, cible, genero, sexo, genere, sesso",
    "colour": "colour, color, colours, colors, colour name, color name, base colour, base color, "
    "primary color, farbe, farben, farbname, couleur, couleurs, coloris, color principal, colores, "
    "colore, colori",
    "rating": "rating, ratings, average rating, rating value, stars, star rating, review rating, "
    "bewertung, "
    "durchschnittliche bewertung, note, note moyenne, valoracion, puntuacion, valutazione, voto",
    "n_reviews": "reviews, review count, reviews count, number of reviews, no of reviews, "
    "num reviews, rating count, ratings count, ratings, votes, total reviews, anzahl bewertungen, "
    "bewertungen, nombre d avis, avis, nombre avis, opiniones, numero de opiniones, recensioni, "
    "numero recensioni",
    "sizes": "size, sizes, available sizes, size range, grosse, groesse, grossen, groessen, "
    "taille, "
    "tailles, pointure, talla, tallas, taglia, taglie, misura",
    "currency": "currency, currency code, price currency, wahrung, waehrung, devise, monnaie, "
    "moneda, divisa, valuta",
    "availability": "availability, in stock, stock, stock status, inventory, available, quantity, "
    "qty, stock quantity, verfugbarkeit, verfuegbarkeit, lagerbestand, bestand, auf lager, "
    "disponibilite, en stock, disponibilidad, existencias, disponibilita, giacenza",
    "url": "url, link, product url, product link, item url, page url, permalink, deeplink, "
    "deep link, produktlink, produkt url, lien, lien produit, url produit, enlace, "
    "url producto, collegamento, url prodotto",
    "list_price": "list price, original price, regular price, compare at price, was price, "
    "old price, "
    "mrp, rrp, uvp, actual price, retail price, msrp, streichpreis, alter preis, prix barre, "
    "prix initial, ancien prix, precio original, precio anterior, prezzo originale, "
    "prezzo di listino",
    "parent_id": "item group id, parent id, parent sku, parent, group id, parent product id, "
    "primary product id, variantengruppe, identifiant groupe",
}  # fmt: skip

# A column whose name holds one of these words is something else than the field.
_NOT: dict[str, str] = {
    "title": "brand file user category categories color colour collection id seo meta parent image "
    "option attribute vendor marke marque marca url link alt gender",
    "price": "actual original list old mrp rrp was discount retail compare before unit cost per "
    "streichpreis uvp effective date currency wholesale shipping tax min max barre ancien",
    "product_id": "image img group parent category brand user vendor variant barcode seo order",
    "description": "seo meta image label",
    "brand": "image logo url id",
    "category": "id url link image age",
    "gender": "age item image grouped id products customer",
    "colour": "image code url hex family swatch",
    "rating": "review reviews count no num number",
    "n_reviews": "allow customer rate average url",
    "images": "num count alt text label position title size width height",
    "sizes": "chart guide system type image unit",
    "availability": "date days warehouse",
    "url": "image img thumb photo picture logo video category",
    "list_price": "date currency",
    "currency": "rate",
}


@cache
def words_of(name: str) -> str:
    """A column's name as small words: `ProductName` → "product name", `Größe` → "grosse"."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.strip())
    plain = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return " ".join(re.findall(r"[^\W_]+", plain))


@cache
def phrases(field: str) -> list[str]:
    """The usual names of a field as `words_of` writes them, the likeliest first."""
    return [phrase.strip() for phrase in NAMES[field].split(",")]


@cache
def named(field: str, name: str) -> float:
    """How well a column's name names a field: 1 for a usual name, less if it only holds one.

    Whole words count, never parts of one: "group" is no "grouped". Below 0 if a word speaks
    against it.
    """
    words = words_of(name)
    known = phrases(field)
    if words in known:
        return 1.0 - 0.2 * known.index(words) / len(known)
    against = set(_NOT.get(field, "").split()) & set(words.split())
    score = max((_held(phrase, words) for phrase in known), default=0.0)
    return score - 0.6 if against else score


def _held(phrase: str, words: str) -> float:
    """0.7 where a phrase stands as whole words within a name; 0.6 within a name without gaps."""
    if re.search(rf"\b{phrase}\b", words):
        return 0.7
    joined = phrase.replace(" ", "")
    one_word = " " not in words
    if one_word and len(joined) >= 4 and (words.startswith(joined) or words.endswith(joined)):
        return 0.6
    return 0.0


@cache
def is_column_name(text: str) -> bool:
    """Whether a cell is a usual name of a column."""
    return len(text) <= 40 and words_of(text) in _all_phrases()


@cache
def _all_phrases() -> frozenset[str]:
    more = (
        "stock, status, tags, material, season, weight, published, barcode, created at, condition"
    )
    every = [phrase for field in NAMES for phrase in phrases(field)]
    return frozenset([*every, *more.split(", ")])
