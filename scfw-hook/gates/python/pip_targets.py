"""What pip is about to build or install, as the verifier's document has it."""
import re

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma", ".zip")


class Seen(object):
    """What pip has read from indexes in this process."""

    # When files were uploaded, by their addresses, as index pages say it.
    uploaded = {}
    # The pages that pip has asked for, by the addresses that they came from.
    pages = {}


def without_credentials(url):
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path


def canonical(name):
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def as_version(text):
    """`text` as pip reads a version (PEP 440): an old pip takes any text for a legacy version, a new one refuses it."""
    from pip._vendor.packaging.version import parse

    try:
        return parse(text)
    except ValueError:
        return text


def claimed(link, name):
    """Name and version that a link claims for a source distribution, as pip reads them: in its fragment or its file
    name, what stands before and after the project's name. Without a name it is the last hyphen that a digit follows."""
    if link.is_vcs:
        return name, None
    stem = link.egg_fragment
    if not stem:
        file_name = link.filename
        extension = next((each for each in ARCHIVES if file_name.lower().endswith(each)), None)
        if extension is None:
            return name, None
        stem = file_name[: -len(extension)]
    hyphens = [index for index, character in enumerate(stem) if character == "-"]
    for index in hyphens:
        if name and canonical(stem[:index]) == canonical(name):
            return name, str(as_version(stem[index + 1 :]))
    for index in reversed(hyphens):
        if stem[index + 1 : index + 2].isdigit():
            return name or stem[:index], str(as_version(stem[index + 1 :]))
    return name, None


def claimed_by_wheel(link, name):
    """Name and version that a wheel's file name claims."""
    from pip._internal.models.wheel import Wheel

    wheel = Wheel(link.filename)
    return name or wheel.name, str(as_version(wheel.version))


def is_own_folder(link):
    return link.url.startswith("file:") and link.is_existing_dir()


def required_by(requirement):
    """Names of the packages that led to `requirement`, the one the user asked for first."""
    chain = []
    parent = requirement.comes_from
    while getattr(parent, "name", None) and len(chain) < 100:
        chain.insert(0, parent.name)
        parent = parent.comes_from
    return chain


def indexes_in_use(finder):
    return [without_credentials(str(index)).rstrip("/") + "/" for index in getattr(finder, "index_urls", None) or []]


def page_of(link):
    """The page that gave `link`, by the address that pip has asked for: an index may have redirected it."""
    page = getattr(link, "comes_from", None)
    if not isinstance(page, str) or not page.startswith(("https://", "http://")):
        return None
    return without_credentials(Seen.pages.get(page, page)).partition("?")[0].partition("#")[0].rstrip("/")


def offering_index(link, name, finder):
    """The index in use whose page of the project gave `link`, or None: anything else may give any address."""
    page = page_of(link)
    if not page or not name:
        return None
    index, slash, project = page.rpartition("/")
    is_in_use = index + slash in indexes_in_use(finder)
    return index + slash if is_in_use and canonical(project) == canonical(name) else None


def origin_of(link, name, finder, direct):
    """The source of `link`, and the indexes that it may come from. What a lockfile or another page gives as a file of an
    index is a bare URL, with the indexes that the verifier can ask whether they list that."""
    if link.is_vcs:
        return "git", []
    if direct:
        return ("path" if link.url.startswith("file:") else "url"), []
    if not link.url.startswith(("https://", "http://")):
        return "registry", []  # Found in a folder.
    index = offering_index(link, name, finder)
    return ("registry", [index]) if index else ("url", indexes_in_use(finder))


def hashes_of(requirement, link):
    """The one digest that pip holds the file against. Of several it takes a file that has any, so they tell nothing."""
    allowed = {(name, digest) for name, digests in (requirement.hash_options or {}).items() for digest in digests}
    if link.hash_name and link.hash:
        allowed.add((link.hash_name, link.hash))
    return dict(allowed) if len(allowed) == 1 else {}


def describe(requirement, name, version, finder, chosen=None):
    """A requirement as the verifier's document has it. `chosen` is the link that the resolver chose, which a wheel
    that pip has built of it before may stand in for."""
    # The link that the user or a dependency wrote, where one did; an index's file has none.
    original = getattr(requirement, "original_link", None)
    link = original or chosen or requirement.link
    is_stand_in = chosen is None and getattr(requirement, "original_link_is_in_wheel_cache", False)
    source, indexes = origin_of(link, name, finder, original is not None)
    return {
        "name": name,
        "version": version,
        "source": source,
        "index": indexes[0] if indexes else None,
        "other_indexes": indexes[1:],
        # Where it was built from is not known then, which is not the same as a file of the user's own.
        "url": None if is_stand_in and original is None else without_credentials(link.url_without_fragment),
        "hashes": hashes_of(requirement, link),
        "artifact": "wheel" if link.is_wheel else "sdist",
        "requested": bool(getattr(requirement, "user_supplied", False)),
        "required_by": required_by(requirement),
        # What a lockfile says of it does not count.
        "published": Seen.uploaded.get(link.url),
    }


def resolved_targets(resolver, requirement_set):
    result = getattr(resolver, "_result", None)
    finder = getattr(getattr(resolver, "factory", None), "_finder", None) or getattr(resolver, "finder", None)
    versions, chosen = {}, {}
    if result is not None:
        for candidate in result.mapping.values():
            # A pip before 20.3.2 has only the name, with the extras of a candidate that has some.
            project = getattr(candidate, "project_name", None) or candidate.name
            versions[project] = str(candidate.version)
            # A package with extras is a candidate of its own, with no link.
            link = getattr(candidate, "source_link", None)
            chosen[project] = link or chosen.get(project)
    targets = []
    for name, requirement in requirement_set.requirements.items():
        if requirement.link is None or requirement.constraint:
            continue
        if requirement.satisfied_by is not None and not getattr(requirement, "should_reinstall", False):
            continue
        version = versions.get(name) or resolved_version(requirement)
        link = chosen.get(name) or getattr(requirement, "cached_wheel_source_link", None)
        targets.append(describe(requirement, requirement.name, version, finder, link))
    return targets


def resolved_version(requirement):
    """The version that the legacy resolver has chosen. An old pip has no metadata of a wheel that it has not installed."""
    if requirement.link.is_wheel:
        return claimed_by_wheel(requirement.link, requirement.name)[1]
    return str(requirement.get_dist().version)
