'use strict'

// The points in npm and npx: where npm reads its configuration, computes what changes, unpacks, rebuilds, fetches, and
// runs what npx has in its cache.

const fs = require('fs')
const path = require('path')

const { SCFW_DRY_RUN } = require('./gate.cjs')
const { isOn, keepGate, putCommandsFirst, setSwitches } = require('./environment.cjs')
const targets = require('./npm-targets.cjs')
const { describe, exact, isLeftOut, isName, nameOf, publication, registryOf, withoutCredentials } = targets
const { Manager } = require('./verifier.cjs')

// npm, in the process that runs it.
class Npm extends Manager {
  keyOf (target) {
    // A repository is known by its address before its name is.
    return target.source === 'git' && !target.unpacked
      ? `git ${targets.repository(target.url)}`
      : JSON.stringify([target.name, target.version, target.url, target.carried])
  }

  objection (about) {
    const odd = about.find(({ source, name, version }) => source === 'registry' && !(isName(name) && exact(version)))
    return odd ? `${odd.name}@${odd.version} is no exact version of a package` : null
  }

  pause () {
    process.emit('input', 'start')
  }

  resume () {
    process.emit('input', 'end')
  }
}

const npm = new Npm('npm')

// Whether the main script is npm's by its name.
let isMain = false
// The nodes of which it is known that they are on disk what they were verified as.
const compared = new WeakSet()
// Arborists that looked after npx's cache; what they hold is verified before it is run.
const npxArborists = new Set()

// --- What was unpacked

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

// What was unpacked for `node`, where its own package.json says another name or version than `described`, which
// npm's tree made of it: what a lockfile, a cache or a registry says of a package is a claim.
function unpackedAs (node, described, options) {
  const [target] = described
  if (!target) {
    return []
  }
  const { name, version } = manifestOf(node) || {}
  if (target.source === 'registry' && !(isName(name) && exact(version))) {
    npm.refuse(`what was unpacked as ${target.name}@${target.version} does not say in a package.json which package it is`)
  }
  if (!name || described.some(each => each.name === name && exact(each.version) === exact(version))) {
    return []
  }
  // A file of the user's own is nobody's package, unless it is another one than it was said to be.
  const source = target.source === 'path' ? 'registry' : target.source
  const isListed = source === 'registry' && !target.carried
  const known = isListed ? publication(name, version, registryOf(name, null, options)) : {}
  return [{ ...target, source, name, version: version || null, ...known, unpacked: true }]
}

// `options` are Arborist's; `choice` says what npm will leave out, where it has not done so yet.
function verifyNodes (nodes, options, choice) {
  const left = node => choice && isLeftOut(node, choice)
  npm.verifyInstalled([...nodes].flatMap(node => left(node) ? [] : describe(node, options)))
}

// Verifies nodes that are on disk: as what npm's tree says they are, and as what they say themselves.
function verifyUnpacked (nodes, options) {
  const fresh = [...nodes].filter(node => !compared.has(node))
  npm.verifyInstalled(fresh.flatMap(node => {
    compared.add(node)
    const described = describe(node, options)
    return [...described, ...unpackedAs(node, described, options)]
  }))
}

// --- The points

// npm is about to read its configuration: the gate has attached.
function lift () {
  npm.lift()
  if (isOn(SCFW_DRY_RUN)) {
    process.env.npm_config_dry_run = 'true'
  }
}

function patchConfig (Config, filename) {
  if (!npm.version) {
    // A launcher such as corepack's started an npm that is elsewhere: four folders above this file.
    npm.version = manifestIn(path.resolve(filename, '../../../../..')).version
  }
  lift()
  const Gated = class extends Config {
    constructor (options, ...rest) {
      super(options, ...rest)
      const { registry } = options.definitions
      targets.setDefaultRegistry(registry && registry.default)
    }
  }
  Object.defineProperty(Gated, 'name', { value: Config.name })
  return Gated
}

// What npm starts gets its environment here. npm's `node-options` setting replaces NODE_OPTIONS, and so does many a
// script: the gate is put back, and an npm that is called by its name goes through scfw again, which arms it.
function patchSetEnvs (setEnvs) {
  return function (...args) {
    const result = setEnvs.apply(this, args)
    keepGate()
    putCommandsFirst()
    setSwitches(npm.name)
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
  if (!npm.hasPoints(prototype, 'Arborist', ['reify', 'rebuild', 'loadActual', reifyNodeName])) {
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
      targets.unpacked.add(node)
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
  return !isOn(SCFW_DRY_RUN) && options.some(option => option && option.dryRun)
}

function isNpxCache (arborist) {
  return /[\\/]_npx[\\/][0-9a-f]+[\\/]?$/.test(arborist.path)
}

// npx would go on to run what a dry run has not installed.
function endDryRunOf (arborist) {
  if (isOn(SCFW_DRY_RUN) && isNpxCache(arborist)) {
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
  if (!npm.hasPoints(prototype, 'ci', [name])) {
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
      npm.verify('build', [{
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
      targets.remember(this.registry, this.spec.name, read)
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
    npm.goOnUnverified(`npm ${version} is older than 7, the first that scfw can verify: update npm`)
    return true
  }
  return false
}

// Begins to hold npm, whose main script it is by its name. Says whether its modules are to be held.
function attach (main) {
  const { name, version } = manifestIn(path.dirname(path.dirname(main)))
  npm.version = name === 'npm' ? version : null
  npm.program = path.basename(main).slice(0, 3)
  if (refuseOld(npm.version)) {
    lift()
    return false
  }
  isMain = true
  return true
}

// Holds a module that was loaded. Where the main script is none of npm's by its name, npm is known by its modules.
function hold (module, filename) {
  for (const [file, patch] of POINTS) {
    if (filename.endsWith(file) && (isMain || isOfNpm(filename))) {
      patch(module, filename)
    }
  }
}

module.exports = { attach, files: POINTS.map(([file]) => file), hold }
