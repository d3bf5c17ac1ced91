'use strict'

// What npm is about to unpack, as the verifier's document has it.

const fs = require('fs')
const path = require('path')

// The nodes that npm unpacks from a tarball of their own.
const unpacked = new WeakSet()
// The registry of an npm that is told of none.
let defaultRegistry = null
// What the packuments that npm has read say of times, by registry and name.
const histories = new Map()
// Which files npm's cache holds from elsewhere, looked up once for each: npm gets a node ready in several steps.
const cachedFromElsewhere = new Map()

function withoutCredentials (url) {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1')
}

// A repository's address, the same however it is written: no protocol, user, suffix or commit.
function repository (url) {
  return url.replace(/^git\+/, '').replace(/^[a-z]+:\/\//i, '').replace(/^[^@/]*@/, '').replace(/#.*$/, '')
    .replace(/\.git$/, '').replace(':', '/')
}

function nameOf (node) {
  return node.packageName || (node.package && node.package.name) || node.name
}

// The exact version that npm reads in `text`, without prefix and build metadata. Nothing where npm would take it for
// a range, a tag, an alias or an address, and fetch something else.
function exact (text) {
  const found = typeof text === 'string' && /^[=v\s]*(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)(?:\+[0-9A-Za-z.-]+)?\s*$/.exec(text)
  return found ? found[1] : null
}

// Whether a registry can hold a package of that name, old names included.
const isName = name => typeof name === 'string' &&
  /^(?:@[\w~!*'()-][\w.~!*'()-]*\/)?[\w~!*'()-][\w.~!*'()-]*$/.test(name)

// A folder of the user's own, which a link leads to: npm unpacks into a node_modules and nowhere else.
const isOwnFolder = node => node.isTop && !/(?:^|\/)node_modules\//.test(node.location)

// The packages that led to `node`, the one the user asked for first: the shortest chain there is.
function requiredBy (node) {
  let level = [{ node, chain: [] }]
  const seen = new Set([node])
  while (level.length) {
    const next = []
    for (const { node: current, chain } of level) {
      for (const edge of current.edgesIn || []) {
        const from = edge.from
        if (!from || from.isProjectRoot || from.isRoot || from.isWorkspace || !from.isInStore && from.isTop) {
          return chain
        }
        if (!seen.has(from)) {
          seen.add(from)
          next.push({ node: from, chain: [nameOf(from), ...chain] })
        }
      }
    }
    level = next
  }
  return []
}

// What a tarball's address says of itself: its host, and, in the shape that registries give addresses, a name and
// a version.
function fromUrl (url) {
  try {
    const { href, hostname, pathname } = new URL(url)
    const address = decodeURIComponent(pathname)
    const found = /\/((?:@[^/]+\/)?[^/@]+)\/-\/(?:@[^/]+\/)?([^/]+)\.tgz$/.exec(address)
    const name = found ? found[1] : null
    const version = found ? found[2].slice(name.split('/').pop().length + 1) : null
    return { href, hostname, pathname, name, version }
  } catch (er) {
    return null
  }
}

// Whether npm will replace the host by that of its registry.
function isReplaced ({ hostname }, { replaceRegistryHost }) {
  return replaceRegistryHost === 'always' || replaceRegistryHost === hostname
}

// The registries that this npm uses.
function registriesOf (options) {
  const keys = Object.keys(options).filter(key => key === 'registry' || key.endsWith(':registry'))
  return keys.map(key => options[key]).filter(registry => typeof registry === 'string')
}

const withSlash = url => `${url.replace(/\/*$/, '')}/`

// Whether the address is where one of the registries that this npm uses has its tarballs, or will be once npm has
// replaced the host: what is fetched is the address without its dots, and nothing else below a registry counts.
function isTarballOfRegistry (url, options) {
  const isTarball = rest => {
    try {
      return /^(?:@[^/]+\/)?[^/@]+\/-\/(?:@[^/]+\/)?[^/]+\.tgz$/.test(decodeURIComponent(rest))
    } catch (er) {
      return false
    }
  }
  return [defaultRegistry, ...registriesOf(options)].some(registry => {
    const base = registry && fromUrl(withSlash(registry))
    if (!base) {
      return false
    }
    const isAt = url.href.startsWith(base.href) && isTarball(url.href.slice(base.href.length))
    return isAt || isReplaced(url, options) && isTarball(url.pathname.replace(base.pathname, '').replace(/^\//, ''))
  })
}

// The digests in a text of Subresource Integrity.
const digestsIn = integrity => String(integrity || '').split(/\s+/).filter(Boolean)

// Whether npm's cache holds what `integrity` names and did not fetch it from `resolved`: npm reads its cache by digest
// before it looks at an address, so a lockfile can take any package out of it.
function isHeldFromElsewhere (integrity, resolved, options) {
  const { createHash } = require('crypto')
  const isHeld = digest => {
    const [, algorithm, encoded] = /^(\w+)-([^?]+)/.exec(digest) || []
    const hex = Buffer.from(encoded || '', 'base64').toString('hex')
    return Boolean(hex) && fs.existsSync(
      path.join(options.cache, 'content-v2', algorithm, hex.slice(0, 2), hex.slice(2, 4), hex.slice(4)))
  }
  const held = digestsIn(integrity).filter(isHeld)
  if (!held.length) {
    return false
  }
  const key = `make-fetch-happen:request-cache:${resolved.replace(/#.*$/, '')}`
  const hash = createHash('sha256').update(key).digest('hex')
  let entry = {}
  try {
    const lines = fs.readFileSync(
      path.join(options.cache, 'index-v5', hash.slice(0, 2), hash.slice(2, 4), hash.slice(4)), 'utf8').split('\n')
    const entries = lines.filter(Boolean).map(line => JSON.parse(line.slice(line.indexOf('\t') + 1)))
    entry = entries.reverse().find(each => each.key === key) || {}
  } catch (er) {
    // Nothing was fetched from there.
  }
  const fetched = digestsIn(entry.integrity)
  return held.some(digest => !fetched.includes(digest))
}

// Whether a tarball that a lockfile gives by a path is one that the user's own project asks for, is there, and is what
// npm will unpack for it.
function isOwnFile (node) {
  const isOwn = from => from.isProjectRoot || from.isRoot || from.isWorkspace || isOwnFolder(from)
  const isPath = spec => /^(?:file:|[.~]*\/|[a-z]:)|\.(?:tgz|tar|tar\.gz)$/i.test(spec || '')
  const isAsked = edge => edge.from && isOwn(edge.from) && isPath(edge.rawSpec || edge.spec)
  if (![...node.edgesIn || []].some(isAsked)) {
    return false
  }
  try {
    const file = path.resolve(node.root.path, decodeURIComponent(node.resolved.replace(/^file:(\/\/)?/, '')))
    if (!fs.statSync(file).isFile()) {
      return true
    }
    const { createHash } = require('crypto')
    const content = fs.readFileSync(file)
    return digestsIn(node.integrity).every(digest => {
      const algorithm = digest.slice(0, digest.indexOf('-'))
      return `${algorithm}-${createHash(algorithm).update(content).digest('base64')}` === digest
    })
  } catch (er) {
    return false
  }
}

// The registry that npm takes `name` from: the one that its lockfile's address is below, else the one of its scope.
function registryOf (name, resolved, options) {
  const url = resolved ? fromUrl(resolved) : null
  if (url && isReplaced(url, options)) {
    return options.registry
  }
  const [holding] = registriesOf(options)
    .filter(registry => resolved && resolved.startsWith(withSlash(registry)))
    .sort((one, other) => other.length - one.length)
  const scope = name.startsWith('@') ? name.slice(0, name.indexOf('/')) : options.scope
  return holding || (scope && options[`${scope.replace(/^@?/, '@')}:registry`]) || options.registry
}

function setDefaultRegistry (registry) {
  defaultRegistry = registry
}

const historyKey = (registry, name) => `${withSlash(registry)} ${name}`

// Keeps what a packument of `registry` says of times. The abbreviated form has `modified` at its top, the full one among
// the times.
function remember (registry, name, { versions, time, modified = time && time.modified }) {
  const key = historyKey(registry, name)
  if (!histories.has(key) || time) {
    histories.set(key, { versions, time, modified })
  }
}

// What is known of a version's publication: the registry, when it was published, and when anything of that name was
// last published, each as the registry says it.
function publication (name, version, registry) {
  if (typeof registry !== 'string') {
    return { index: null, published: null, modified: null }
  }
  const { time, modified } = histories.get(historyKey(registry, name)) || {}
  // Times stand beside other keys than versions, and a dist-tag can have the name of one.
  const isThere = documentOf(name, version, registry) !== null
  return {
    index: withSlash(withoutCredentials(registry)),
    published: isThere && time && time[version] || null,
    modified: isThere && modified || null,
  }
}

// What the packument of `registry` says of a version, where npm has read that in this run.
function documentOf (name, version, registry) {
  const { versions } = typeof registry === 'string' && histories.get(historyKey(registry, name)) || {}
  return versions && Object.prototype.hasOwnProperty.call(versions, version) ? versions[version] : null
}

// Whether the registry itself gives the address in this run, on whatever host that is, and no other digest for it.
function isOffered (name, version, { resolved, integrity }, options) {
  const { dist } = documentOf(name, version, registryOf(name, resolved, options)) || {}
  return Boolean(dist) && dist.tarball === resolved &&
    (!integrity || !dist.integrity || String(integrity) === String(dist.integrity))
}

function sourceOf (node, options) {
  const resolved = node.resolved || ''
  if (/^git[+:@]|^[a-z+]+:\/\/git@/.test(resolved)) {
    return 'git'
  }
  if (resolved.startsWith('file:')) {
    return isOwnFile(node) ? 'path' : 'url'
  }
  const isUrl = edge => /^https?:/.test(edge.rawSpec || edge.spec || '')
  if ([...(node.edgesIn || [])].some(isUrl)) {
    return 'url'
  }
  if (!resolved) {
    return 'registry'
  }
  // A lockfile can say anything here. What npm would fetch from a registry in use is that registry's, as is what its
  // packument says; any other address is a claim, about which the verifier asks the registry.
  if (isOffered(nameOf(node), (node.package || {}).version, node, options)) {
    return 'registry'
  }
  const url = fromUrl(resolved)
  const isFound = url && url.name && isTarballOfRegistry(url, options)
  return isFound && !isCachedFromElsewhere(node.integrity, resolved, options) ? 'registry' : 'claim'
}

function isCachedFromElsewhere (integrity, resolved, options) {
  const key = `${integrity} ${resolved}`
  if (!cachedFromElsewhere.has(key)) {
    cachedFromElsewhere.set(key, isHeldFromElsewhere(integrity, resolved, options))
  }
  return cachedFromElsewhere.get(key)
}

// Whether npm will leave `node` out: by --omit, or because it is optional and not for this platform. npm before 10
// decides that only after it has computed what changes.
function isLeftOut (node, { omit, checkPlatform, options }) {
  if (node.dev && omit.has('dev') || node.optional && omit.has('optional') || node.peer && omit.has('peer') ||
      node.devOptional && omit.has('dev') && omit.has('optional')) {
    return true
  }
  if (node.optional) {
    try {
      checkPlatform(node.package, false, { cpu: options.cpu, os: options.os, libc: options.libc })
    } catch (er) {
      return true
    }
  }
  return false
}

// Whether `node` comes within another package's tarball, and not from a registry. What the user's own project bundles
// does not, nor what a package only says that it carries.
function isCarried (node) {
  const bundler = node.inBundle && node.getBundler && !unpacked.has(node) ? node.getBundler() : null
  return Boolean(bundler && !bundler.isProjectRoot && !bundler.isRoot && !bundler.isWorkspace)
}

// A node of npm's tree as the verifier's document has it; nothing for the user's own folders. Two where a lockfile
// puts one package's tarball under another's name or version: both are verified.
function describe (node, options) {
  if (node.isProjectRoot || node.isRoot || node.isWorkspace || node.isLink || node.inert || isOwnFolder(node)) {
    return []
  }
  const source = sourceOf(node, options)
  const version = (node.package || {}).version || null
  const url = source === 'registry' && node.resolved ? fromUrl(node.resolved) : null
  if (source === 'registry' && !version && !url) {
    // A folder without a package.json: nothing that a registry could have given.
    return []
  }
  const chain = requiredBy(node)
  const isPublished = source === 'registry' || source === 'claim'
  const known = (called, numbered) =>
    isPublished ? publication(called, numbered, registryOf(called, node.resolved, options)) : {}
  const target = {
    name: nameOf(node),
    version: version || url && url.version,
    // An address that is claimed to be a registry's comes with that registry.
    source: source === 'claim' ? 'url' : source,
    index: null,
    url: node.resolved ? withoutCredentials(node.resolved) : null,
    hashes: node.integrity ? { integrity: String(node.integrity) } : {},
    artifact: node.hasInstallScript ? 'tarball with install script' : 'tarball',
    requested: chain.length === 0,
    required_by: chain,
    published: null,
    // It is as old as the package that carries it.
    carried: isCarried(node),
    ...known(nameOf(node), version || url && url.version),
  }
  const isOther = url && url.name && (url.name !== target.name || url.version !== target.version)
  const other = isOther && { ...target, name: url.name, version: url.version, ...known(url.name, url.version) }
  return other ? [target, other] : [target]
}

module.exports = {
  describe,
  exact,
  isLeftOut,
  isName,
  nameOf,
  publication,
  registryOf,
  remember,
  repository,
  setDefaultRegistry,
  unpacked,
  withoutCredentials,
}
