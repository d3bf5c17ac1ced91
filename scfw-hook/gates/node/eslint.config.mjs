// What eslint finds in the gate for Node.js: mistakes, and syntax that an old Node.js does not know. Layout is no matter
// of it.

const globals = ['Buffer', 'URL', '__dirname', '__filename', 'module', 'process', 'require']

const rules = `
  array-callback-return block-scoped-var constructor-super default-case-last eqeqeq for-direction getter-return
  no-async-promise-executor no-await-in-loop no-caller no-case-declarations no-class-assign no-compare-neg-zero no-cond-assign
  no-const-assign no-constant-binary-expression no-constant-condition no-constructor-return no-control-regex no-debugger
  no-delete-var no-dupe-args no-dupe-class-members no-dupe-else-if no-dupe-keys no-duplicate-case no-empty
  no-empty-character-class no-empty-pattern no-eval no-ex-assign no-extend-native no-extra-bind no-fallthrough no-func-assign
  no-global-assign no-implicit-globals no-implied-eval no-import-assign no-inner-declarations no-invalid-regexp
  no-irregular-whitespace no-loop-func no-loss-of-precision no-misleading-character-class no-new-wrappers no-obj-calls no-octal
  no-promise-executor-return no-prototype-builtins no-redeclare no-regex-spaces no-return-assign no-self-assign
  no-self-compare no-setter-return no-shadow no-shadow-restricted-names no-sparse-arrays no-template-curly-in-string
  no-this-before-super no-throw-literal no-undef no-undef-init no-unexpected-multiline no-unmodified-loop-condition
  no-unreachable no-unreachable-loop no-unsafe-finally no-unsafe-negation no-unsafe-optional-chaining no-unused-expressions
  no-unused-labels no-useless-assignment no-useless-backreference no-useless-catch no-useless-escape no-useless-return no-var
  no-with prefer-const prefer-promise-reject-errors radix require-atomic-updates require-await require-yield strict use-isnan
  valid-typeof
`

export default [
  {
    files: ['**/*.cjs'],
    languageOptions: {
      // Node.js 10, the oldest that npm 7 runs on.
      ecmaVersion: 2018,
      sourceType: 'commonjs',
      globals: Object.fromEntries(globals.map(name => [name, 'readonly'])),
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      ...Object.fromEntries(rules.trim().split(/\s+/).map(rule => [rule, 'error'])),
      'no-unused-vars': ['error', { caughtErrors: 'none' }],
      // A function may stand below its use; a constant may not.
      'no-use-before-define': ['error', { functions: false }],
    },
  },
]
