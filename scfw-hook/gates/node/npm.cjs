'use strict'

// scfw's gate for npm and npx.
//
// scfw names this file in NODE_OPTIONS, so that node loads it before anything else. In npm's own process it holds
// npm between "resolved" and "unpack": what is about to be unpacked, rebuilt, run by npx or cloned goes to scfw's
// verifier, whose exit status decides. Any other node process notices nothing.
//
// Until the gate has attached, npm finds settings in its environment that contradict each other (the switches), and
// ends with an error whatever it was asked. The gate lifts them while npm reads its configuration, so whatever npm starts
// has them again: what loses the gate installs nothing.

const fs = require('fs')
const path = require('path')

// The settings that are switches, each with its value and with the variable that keeps the user's own. npm reads its
// variables in any case; pnpm and yarn rewrite those in lower case for what they start.
const SWITCHES = [
  ['npm_config_workspaces', 'false', 'SCFW_GATE_NPM_WORKSPACES'],
  ['npm_config_workspace', 'refused-by-scfw-because-its-gate-did-not-attach', 'SCFW_GATE_NPM_WORKSPACE'],
  ['npm_config_heading', "npm (nothing is done: scfw's gate did not attach)", 'SCFW_GATE_NPM_HEADING'],
]
const BLOCKED = 77
const DECLINED = 76
const UNVERIFIED = 69
const MESSAGES = {
  [BLOCKED]: 'scfw blocked this installation',
  [DECLINED]: 'the installation was declined',
  [UNVERIFIED]: 'scfw could not verify this installation',
}

const verifier = process.env.SCFW_GATE_VERIFIER
const isOn = name => !['', '0', 'false', 'no', 'off'].includes((process.env[name] || '').toLowerCase())

// The command as it was typed: npx-cli.js makes one of npm's of it.
const typed = process.argv.slice(2)
let program = 'npm'
// What has passed the verifier in this process, so that its warnings are not asked about twice.
const accepted = new Set()
// What it has been told of as installed. A repository is accepted before, to be cloned.
const reported = new Set()
// Whether this npm, which the gate cannot hold, may go on without it.
let isLetGo = false
// The nodes that npm unpacks from a tarball of their own.
const unpacked = new WeakSet()
// The nodes of which it is known that they are on disk what they were verified as.
const compared = new WeakSet()
// Arborists that looked after npx's cache; what they hold is verified before it is run.
const npxArborists = new Set()
let npmVersion = null
// The registry of an npm that is told of none.
let defaultRegistry = null
// What the packuments that npm has read say of times, by registry and name.
const histories = new Map()

// --- Targets

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
    entry = entries.reverse().find(entry => entry.key === key) || {}
  } catch (er) {
    // Nothing was fetched from there.
  }
  const fetched = digestsIn(entry.integrity)
  return held.some(digest => !fetched.includes(digest))
}

// Whether a tarball that a lockfile gives by a path is one that the user's own project asks for, is there, and is what
// npm will unpack for it.
function isOwnFile (node) {
  const isOwn = node => node.isProjectRoot || node.isRoot || node.isWorkspace || isOwnFolder(node)
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

const historyKey = (registry, name) => `${withSlash(registry)} ${name}`

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

// Looked up once for each file: npm gets a node ready in several steps.
const cachedFromElsewhere = new Map()

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
  const known = (name, version) =>
    isPublished ? publication(name, version, registryOf(name, node.resolved, options)) : {}
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

// The package.json in a node's folder, or nothing where there is none that npm could read.
function manifestOf (node) {
  try {
    return JSON.parse(fs.readFileSync(path.join(node.path, 'package.json'), 'utf8').replace(/^\uFEFF/, ''))
  } catch (er) {
    return null
  }
}

// Whether what was unpacked for `node` is what npm's tree says of it, which was verified before.
function isAsVerified (node) {
  const { name, version } = manifestOf(node) || {}
  return isName(name) && name === nameOf(node) && exact(version) !== null &&
    exact(version) === exact((node.package || {}).version)
}

// What was unpacked for `node`, where its own package.json says another name or version than `targets`, which npm's
// tree made of it: what a lockfile, a cache or a registry says of a package is a claim.
function unpackedAs (node, targets, options) {
  const [target] = targets
  if (!target) {
    return []
  }
  const { name, version } = manifestOf(node) || {}
  if (target.source === 'registry' && !(isName(name) && exact(version))) {
    refuse(`what was unpacked as ${target.name}@${target.version} does not say in a package.json which package it is`)
  }
  if (!name || targets.some(target => target.name === name && exact(target.version) === exact(version))) {
    return []
  }
  // A file of the user's own is nobody's package, unless it is another one than it was said to be.
  const source = target.source === 'path' ? 'registry' : target.source
  const isListed = source === 'registry' && !target.carried
  const known = isListed ? publication(name, version, registryOf(name, null, options)) : {}
  return [{ ...target, source, name, version: version || null, ...known, unpacked: true }]
}

function keyOf (target) {
  // A repository is known by its address before its name is.
  return target.source === 'git' && !target.unpacked
    ? `git ${repository(target.url)}`
    : JSON.stringify([target.name, target.version, target.url, target.carried])
}

// --- The verifier

// Sends a document to the verifier and gives its exit status.
function ask (phase, targets, reason) {
  // npm's progress must not paint over a report or a prompt.
  process.emit('input', 'start')
  const { status, error } = require('child_process').spawnSync(verifier, ['verify'], {
    input: JSON.stringify({
      protocol: 1,
      manager: 'npm',
      version: npmVersion,
      phase,
      program,
      argv: typed,
      targets,
      reason,
    }),
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  process.emit('input', 'end')
  if (error && status === null) {
    fs.writeSync(2, `scfw: the verifier ${verifier} could not be run: ${error.message}\n`)
  }
  return status === null ? UNVERIFIED : status
}

function verify (phase, targets) {
  const known = phase === 'build' ? accepted : reported
  if (targets.every(target => known.has(keyOf(target)))) {
    return
  }
  for (const target of targets) {
    target.accepted = accepted.has(keyOf(target))
  }
  const odd = targets.find(({ source, name, version }) => source === 'registry' && !(isName(name) && exact(version)))
  const status = ask(phase, targets)
  if (status !== 0) {
    stop(status)
  }
  if (odd) {
    refuse(`${odd.name}@${odd.version} is no exact version of a package`)
  }
  for (const target of targets) {
    accepted.add(keyOf(target))
    known.add(keyOf(target))
  }
}

// Ends the process before npm does anything, unless the verifier lets it go on without the gate.
function goOnUnverified (reason) {
  noteAttached()
  if (!isLetGo) {
    const status = ask('unsupported', [], reason)
    if (status !== 0) {
      process.exit(status)
    }
    isLetGo = true
  }
}

// Makes npm roll back, report the error and end with `status`.
function stop (status) {
  process.once('exit', () => { process.exitCode = status })
  const message = MESSAGES[status] || `scfw ended with status ${status}`
  throw Object.assign(new Error(message), { code: 'ESCFW', errno: status, exitCode: status })
}

// Says why nothing can be installed, and makes npm end.
function refuse (reason) {
  fs.writeSync(2, `scfw: ${reason.replace(/[^\x20-\x7e]/g, '?')}\n`)
  stop(UNVERIFIED)
}

// `options` are Arborist's; `choice` says what npm will leave out, where it has not done so yet.
function verifyNodes (nodes, options, choice) {
  const left = node => choice && isLeftOut(node, choice)
  verifyTargets([...nodes].flatMap(node => left(node) ? [] : describe(node, options)))
}

// Verifies nodes that are on disk: as what npm's tree says they are, and as what they say themselves.
function verifyUnpacked (nodes, options) {
  const fresh = [...nodes].filter(node => !compared.has(node))
  verifyTargets(fresh.flatMap(node => {
    compared.add(node)
    const targets = describe(node, options)
    return [...targets, ...unpackedAs(node, targets, options)]
  }))
}

function verifyTargets (targets) {
  verify('install', [...new Map(targets.map(target => [keyOf(target), target])).values()])
}

// --- The points in npm

// Whether all the methods are there; without one npm does not go on, or goes on unverified.
function hasPoints (owner, ownerName, names) {
  const missing = names.find(name => typeof owner[name] !== 'function')
  if (missing) {
    const point = typeof missing === 'symbol' ? `[${missing.description}]` : `.${missing}`
    goOnUnverified(`npm ${npmVersion} has no ${ownerName}${point}; this npm is newer than scfw's gate: update scfw`)
  }
  return !missing
}

// Takes back the note that this run's gate has not reported.
function noteAttached () {
  try {
    fs.unlinkSync(process.env.SCFW_GATE_RUN || '')
  } catch (er) {
    // Another npm of this run was first.
  }
}

// npm is about to read its configuration: the gate has attached.
function liftSwitches () {
  for (const [name, , keeper] of SWITCHES) {
    delete process.env[name.toUpperCase()]
    const kept = process.env[keeper] || ''
    if (kept.startsWith('=')) {
      process.env[name] = kept.slice(1)
    }
  }
  if (isOn('SCFW_DRY_RUN')) {
    process.env.npm_config_dry_run = 'true'
  }
  noteAttached()
}

// npm has read its configuration: what it starts may lose the gate.
function setSwitches () {
  for (const [name, value, keeper] of SWITCHES) {
    process.env[keeper] = name in process.env ? `=${process.env[name]}` : ''
    delete process.env[name]
    process.env[name.toUpperCase()] = value
  }
}

function patchConfig (Config, filename) {
  if (!npmVersion) {
    // A launcher such as corepack's started an npm that is elsewhere: four folders above this file.
    npmVersion = manifestIn(path.resolve(filename, '../../../../..')).version
  }
  liftSwitches()
  const Gated = class extends Config {
    constructor (options, ...rest) {
      super(options, ...rest)
      const { registry } = options.definitions
      defaultRegistry = registry && registry.default
    }
  }
  Object.defineProperty(Gated, 'name', { value: Config.name })
  return Gated
}

// What npm starts gets its environment here. npm's `node-options` setting replaces NODE_OPTIONS, and so does many a
// script: the gate is put back, and an npm that is called by its name goes through scfw again, which arms it.
function patchSetEnvs (setEnvs) {
  const armed = process.env.NODE_OPTIONS || ''
  return function (...args) {
    const result = setEnvs.apply(this, args)
    const now = process.env.NODE_OPTIONS || ''
    if (!now.includes(__filename)) {
      process.env.NODE_OPTIONS = `${armed} ${now}`.trim()
    }
    const commands = process.env.SCFW_GATE_COMMANDS
    const programs = process.env.PATH
    if (commands && programs && !programs.split(path.delimiter).includes(commands)) {
      process.env.PATH = commands + path.delimiter + programs
    }
    setSwitches()
    return result
  }
}

function changedNodes (diff) {
  const nodes = []
  const waiting = [...diff.children]
  while (waiting.length) {
    const change = waiting.pop()
    if (change.ideal && (change.action === 'ADD' || change.action === 'CHANGE')) {
      nodes.push(change.ideal)
      addBundled(change.ideal, nodes)
    }
    waiting.push(...change.children)
  }
  return nodes
}

// What a package carries with it is no change of its own, in a lockfile or once it has been unpacked.
function addBundled (node, nodes) {
  for (const child of node.children ? node.children.values() : []) {
    if (child.inBundle) {
      nodes.push(child)
      addBundled(child, nodes)
    }
  }
}

function patchArborist (Arborist, from) {
  const prototype = Arborist.prototype
  const reifyNodeName = Symbol.for('reifyNode')
  if (!hasPoints(prototype, 'Arborist', ['reify', 'rebuild', 'loadActual', reifyNodeName])) {
    return
  }
  const { reify, rebuild, loadActual, [reifyNodeName]: reifyNode } = prototype
  const { checkPlatform } = from.require('npm-install-checks')
  // Nodes that npm will remove, for they are left out or have failed and are optional.
  const isTrash = (arborist, node) => {
    const trash = arborist[Symbol.for('trashList')]
    return Boolean(trash && trash.has(node.path))
  }

  prototype.reify = async function (...args) {
    // reify computes the difference between what is and what shall be before it touches anything, and again
    // whenever an unpacked package brings a shrinkwrap or a bundle of its own.
    // npm before 11 takes --omit from the constructor's options, later ones from those given here.
    const omit = new Set([...this.options.omit || [], ...args[0] && args[0].omit || []])
    const choice = { omit, checkPlatform, options: this.options }
    let diff = this.diff
    const isDry = isDryRun(this.options, ...args)
    Object.defineProperty(this, 'diff', {
      configurable: true,
      enumerable: true,
      get: () => diff,
      set: value => {
        diff = value
        if (value && !isDry) {
          verifyNodes(changedNodes(value), this.options, choice)
        }
      },
    })
    const reified = await reify.apply(this, args)
    endDryRunOf(this)
    return reified
  }

  // Nothing is unpacked that was not in a difference, whatever a later npm computes.
  prototype[reifyNodeName] = async function (node, ...args) {
    if (!isTrash(this, node)) {
      unpacked.add(node)
      verifyNodes([node], this.options, { omit: new Set(), checkPlatform, options: this.options })
    }
    const reified = await reifyNode.call(this, node, ...args)
    // npm unpacks everything before it runs a script of anything.
    if (isAsVerified(node)) {
      compared.add(node)
    } else if (!isTrash(this, node)) {
      verifyUnpacked([node], this.options)
    }
    return reified
  }

  // What is there already is verified as what it is: node_modules can hold a lockfile, too. So is what came within
  // another package.
  prototype.rebuild = async function (options, ...args) {
    const nodes = options && options.nodes
    const tree = nodes ? null : await this.loadActual()
    const isThere = node => !isTrash(this, node)
    verifyUnpacked([...nodes || tree.inventory.values()].filter(isThere), this.options)
    return rebuild.call(this, options, ...args)
  }

  prototype.loadActual = function (...args) {
    if (isNpxCache(this)) {
      npxArborists.add(this)
    }
    return loadActual.apply(this, args)
  }
}

// Whether the user wants to see what npm would do. A dry run of scfw's own is there to verify.
function isDryRun (...options) {
  return !isOn('SCFW_DRY_RUN') && options.some(option => option && option.dryRun)
}

function isNpxCache (arborist) {
  return /[\\/]_npx[\\/][0-9a-f]+[\\/]?$/.test(arborist.path)
}

// npx would go on to run what a dry run has not installed.
function endDryRunOf (arborist) {
  if (isOn('SCFW_DRY_RUN') && isNpxCache(arborist)) {
    // npm takes an exit that it did not order for an error of its own.
    process.removeAllListeners('exit')
    process.exit(0)
  }
}

// npx runs what its cache holds without asking Arborist again.
function patchRunScript (runScript) {
  return Object.assign(function (options, ...args) {
    if (options && options.event === 'npx') {
      for (const { actualTree, options: arboristOptions } of npxArborists) {
        if (actualTree) {
          verifyUnpacked(actualTree.inventory.values(), arboristOptions)
        }
      }
      for (const arborist of npxArborists) {
        endDryRunOf(arborist)
      }
    }
    return runScript.call(this, options, ...args)
  }, runScript)
}

// `npm ci` empties node_modules before it reifies: the lockfile's packages are verified before that.
function patchCleanInstall (CleanInstall, from) {
  if (typeof CleanInstall !== 'function' || !/^ci$/i.test(CleanInstall.name)) {
    return // Another program's file of that name.
  }
  const prototype = CleanInstall.prototype
  const name = Object.prototype.hasOwnProperty.call(prototype, 'ci') ? 'ci' : 'exec'
  if (!hasPoints(prototype, 'ci', [name])) {
    return
  }
  const original = prototype[name]
  prototype[name] = async function (...args) {
    const Arborist = from.require('@npmcli/arborist')
    const { flatOptions, prefix } = this.npm
    let tree = null
    try {
      tree = await new Arborist({ ...flatOptions, path: prefix }).loadVirtual()
    } catch (er) {
      // No usable lockfile: npm ci says so itself, better than the gate could.
    }
    if (tree && !isDryRun(flatOptions)) {
      const { checkPlatform } = from.require('npm-install-checks')
      const choice = { omit: new Set(flatOptions.omit), checkPlatform, options: flatOptions }
      verifyNodes(tree.inventory.values(), flatOptions, choice)
    }
    return original.apply(this, args)
  }
}

// Fetching from a repository can run the package's own preparation: it is verified before it is cloned.
function patchGitFetcher (GitFetcher) {
  const Gated = class extends GitFetcher {
    constructor (...args) {
      super(...args)
      const { hosted, name, fetchSpec, rawSpec } = this.spec
      const url = hosted
        ? `git+https://${hosted.domain}/${hosted.user}/${hosted.project}.git`
        : withoutCredentials(String(fetchSpec || rawSpec))
      verify('build', [{
        name: name || null,
        version: null,
        source: 'git',
        index: null,
        url,
        hashes: {},
        artifact: 'repository',
        requested: false,
        required_by: [],
        published: null,
      }])
    }
  }
  // pacote names its fetchers in its cache and its messages.
  Object.defineProperty(Gated, 'name', { value: GitFetcher.name })
  return Gated
}

// Keeps what a packument says of times. A pacote without this point costs the verifier a request.
function patchRegistryFetcher (RegistryFetcher) {
  const prototype = RegistryFetcher && RegistryFetcher.prototype
  const packument = prototype && prototype.packument
  if (typeof packument !== 'function') {
    return
  }
  prototype.packument = async function (...args) {
    const read = await packument.apply(this, args)
    try {
      const key = historyKey(this.registry, this.spec.name)
      if (!histories.has(key) || read.time) {
        // The abbreviated form has `modified` at its top, the full one among the times.
        const { modified = read.time && read.time.modified } = read
        histories.set(key, { versions: read.versions, time: read.time, modified })
      }
    } catch (er) {
      // The verifier asks the registry then.
    }
    return read
  }
}

const POINTS = [
  ['/@npmcli/config/lib/index.js', (module, file) => { module.exports = patchConfig(module.exports, file) }],
  ['/@npmcli/config/lib/set-envs.js', module => { module.exports = patchSetEnvs(module.exports) }],
  ['/@npmcli/arborist/lib/arborist/index.js', module => patchArborist(module.exports, module)],
  ['/@npmcli/run-script/lib/run-script.js', module => { module.exports = patchRunScript(module.exports) }],
  ['/lib/commands/ci.js', module => patchCleanInstall(module.exports, module)],
  ['/lib/ci.js', module => patchCleanInstall(module.exports, module)],
  ['/pacote/lib/registry.js', module => patchRegistryFetcher(module.exports)],
  ['/pacote/lib/git.js', module => { module.exports = patchGitFetcher(module.exports) }],
  ['/npm/lib/npm.js', (module, file) => refuseOld(manifestIn(path.resolve(file, '../..')).version)],
]

// The package.json of a folder, or an empty one.
function manifestIn (folder) {
  try {
    return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')) || {}
  } catch (er) {
    return {}
  }
}

// Whether the file is one of an npm's own, by the folder that holds it: other programs have the same libraries.
function isOfNpm (filename) {
  const library = filename.lastIndexOf('/node_modules/')
  const root = library < 0 || filename.slice(library).startsWith('/node_modules/npm/lib/')
    ? filename.slice(0, filename.lastIndexOf('/lib/'))
    : filename.slice(0, library)
  return manifestIn(root).name === 'npm'
}

// npm before 7 has none of the points.
function refuseOld (version) {
  if (version && parseInt(version, 10) < 7) {
    goOnUnverified(`npm ${version} is older than 7, the first that scfw can verify: update npm`)
    return true
  }
  return false
}

// Holds npm in this process. Where its main script is none of npm's by its name, npm is known by its modules.
function attach (main) {
  const { name, version } = main ? manifestIn(path.dirname(path.dirname(main))) : {}
  npmVersion = name === 'npm' ? version : null
  if (refuseOld(npmVersion)) {
    return liftSwitches()
  }
  const { _extensions: extensions } = require('module')
  const load = extensions['.js']
  extensions['.js'] = function (module, filename) {
    const loaded = load.apply(this, arguments)
    for (const [suffix, patch] of POINTS) {
      if (filename.endsWith(suffix) && (main || isOfNpm(filename))) {
        patch(module, filename)
      }
    }
    return loaded
  }
}

// The main script behind its links: npm-cli.js and npx-cli.js wherever they are installed, or a launcher of that
// name such as corepack's.
function mainScript () {
  try {
    const main = fs.realpathSync(process.argv[1])
    return /^np[mx](-cli)?(\.c?js)?$/.test(path.basename(main)) ? main : null
  } catch (er) {
    return null
  }
}

if (verifier) {
  const main = mainScript()
  program = main ? path.basename(main).slice(0, 3) : program
  attach(main)
}
