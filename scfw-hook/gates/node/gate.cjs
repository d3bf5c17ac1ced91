'use strict'

// scfw's gate for package managers that Node.js runs.
//
// scfw names this file in NODE_OPTIONS, so that node loads it before anything else, in every process. It knows a manager
// by its main script or by its modules, and only then loads the file with the manager's points, which stands beside it
// with the rest of the gate: what a process pays that is no manager does not grow with the managers.
//
// The points hold the manager between "resolved" and "unpack": what is about to be unpacked, rebuilt, run or cloned
// goes to scfw's verifier, whose exit status decides. Until the gate has attached, the manager finds settings in its
// environment that make it end with an error whatever it was asked (the switches). The gate lifts them while the
// manager reads its configuration, so whatever that starts has them again: what loses the gate installs nothing.

const fs = require('fs')
const path = require('path')

// --- What follows is written by scfw-hook/src/gate/constants.rs
const constants = {
  PROTOCOL: 1,
  BLOCKED: 77,
  DECLINED: 76,
  UNVERIFIED: 69,
  MESSAGES: {77: "scfw blocked this installation", 76: "the installation was declined", 69: "scfw could not verify this installation"},
  SCFW_ALLOW_UNSUPPORTED: "SCFW_ALLOW_UNSUPPORTED",
  SCFW_DRY_RUN: "SCFW_DRY_RUN",
  SCFW_GATE_COMMANDS: "SCFW_GATE_COMMANDS",
  SCFW_GATE_NODE: "SCFW_GATE_NODE",
  SCFW_GATE_PYTHON: "SCFW_GATE_PYTHON",
  SCFW_GATE_RUN: "SCFW_GATE_RUN",
  SCFW_GATE_VERIFIER: "SCFW_GATE_VERIFIER",
  SWITCHES: {
  "pip": [
    ["PIP_EXISTS_ACTION", "PIP_EXISTS_ACTION", "refused-by-scfw-because-its-gate-did-not-attach", "SCFW_GATE_PIP_EXISTS_ACTION"],
  ],
  "npm": [
    ["NPM_CONFIG_WORKSPACES", "npm_config_workspaces", "false", "SCFW_GATE_NPM_WORKSPACES"],
    ["NPM_CONFIG_WORKSPACE", "npm_config_workspace", "refused-by-scfw-because-its-gate-did-not-attach", "SCFW_GATE_NPM_WORKSPACE"],
    ["NPM_CONFIG_HEADING", "npm_config_heading", "npm (nothing is done: scfw's gate did not attach)", "SCFW_GATE_NPM_HEADING"],
  ],
},
}
// --- Here ends what is written by scfw-hook/src/gate/constants.rs

const verifier = process.env[constants.SCFW_GATE_VERIFIER]

// What the other files of the gate take from here, beside the constants: the verifier's program, and the command as it was
// typed, for npx-cli.js makes one of npm's of it.
module.exports = { ...constants, verifier, typed: process.argv.slice(2) }

// Each manager: its file of points, the names of its main scripts, and its modules that hold a point. A file of points
// exports `attach`, which gets the main script and says whether modules are to be held, `hold`, which gets each such
// module and its file once node has loaded it, and `files`, the ends of these files' paths.
const MANAGERS = [
  {
    points: 'npm.cjs',
    scripts: /^np[mx](-cli)?(\.c?js)?$/,
    modules: /\/(@npmcli\/(arborist\/lib\/arborist\/index|config\/lib\/(index|set-envs)|run-script\/lib\/run-script)|pacote\/lib\/(git|registry)|lib\/(commands\/)?ci|npm\/lib\/npm)\.js$/,
  },
]

function pointsOf ({ points, modules }) {
  const { attach, files, hold } = require(path.join(__dirname, points))
  const unknown = files.find(file => !modules.test(file))
  if (unknown) {
    throw new Error(`scfw: ${points} has a point in ${unknown}, by which no manager is known`)
  }
  return { attach, hold }
}

// The main script behind its links, wherever it is installed, or a launcher of its name such as corepack's.
function mainScript () {
  try {
    return fs.realpathSync(process.argv[1])
  } catch (er) {
    return null
  }
}

function start () {
  const script = mainScript()
  const main = script && MANAGERS.find(({ scripts }) => scripts.test(path.basename(script)))
  if (main && !pointsOf(main).attach(script)) {
    return
  }
  const { _extensions: extensions } = require('module')
  const load = extensions['.js']
  extensions['.js'] = function (module, filename) {
    const loaded = load.apply(this, arguments)
    for (const manager of MANAGERS) {
      if (manager.modules.test(filename)) {
        pointsOf(manager).hold(module, filename)
      }
    }
    return loaded
  }
}

if (verifier) {
  start()
}
