"Packaging of the study: every value comes from settings.ini, which nbdev reads as well."

from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=["="], interpolation=None)
config.read(here / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]
readme = here / "README.md"
FACTS = {  # what `chip place` needs wherever it is installed: package → folder
    "chip.facts": "data/taxonomy",
    "chip.calibration": "data/place",
    "chip.templates": "nbs/running/templates",
}

setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=readme.read_text(encoding="utf-8") if readme.exists() else "",
    long_description_content_type="text/markdown",
    author=cfg["author"],
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=cfg["keywords"].split(),
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    packages=[*find_packages(include=["chip", "chip.*"]), *FACTS],
    package_dir=FACTS,
    package_data={name: ["*.csv", "*.json", "*.j2", "*.css", "*.js", "*.txt"] for name in FACTS},
    include_package_data=True,
    python_requires=f">={cfg['min_python']}",
    install_requires=cfg["requirements"].split(),
    extras_require={
        "dev": cfg["dev_requirements"].split(),
        "book": cfg["book_requirements"].split(),
        "ray": cfg["ray_requirements"].split(),
        "fast": cfg["fast_requirements"].split(),
        "text": cfg["text_requirements"].split(),
        "clip": cfg["clip_requirements"].split(),
    },
    entry_points={"console_scripts": [cfg["console_scripts"]]},
)
