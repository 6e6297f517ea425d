import type { Shell } from './complete.ts'

/** How a shell is told, for the help text. */
export const COMPLETION_HELP = `To have it in every shell:
  bash  forebay completion bash > ~/.local/share/bash-completion/completions/forebay
  zsh   forebay completion zsh > "\${fpath[1]}/_forebay"
  fish  forebay completion fish > ~/.config/fish/completions/forebay.fish`

/** The script that makes a shell ask \`forebay __complete\`. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell]
}

// A shell that completes must never hang: the question itself is limited in time.
const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# forebay completion for bash
_forebay() {
  local kind line IFS=$'\\n'
  COMPREPLY=()
  {
    read -r kind
    while read -r line; do COMPREPLY+=("$line"); done
  } < <("\${COMP_WORDS[0]}" __complete bash "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
  case "$kind" in
    files) compopt -o default 2>/dev/null ;;
    open) compopt -o nospace 2>/dev/null ;;
  esac
}
complete -F _forebay forebay
`,
  zsh: `#compdef forebay
# forebay completion for zsh
_forebay() {
  local kind line tab=$'\\t'
  local -a lines values shown
  lines=("\${(@f)$("\${(Q)words[1]}" __complete zsh "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  kind=\${lines[1]}
  for line in "\${(@)lines[2,-1]}"; do
    [[ -z "$line" ]] && continue
    values+=("\${line%%$tab*}")
    shown+=("\${line%%$tab*}\${\${line#*$tab}:+  \${line#*$tab}}")
  done
  case "$kind" in
    files) _files ;;
    open) compadd -l -S '' -d shown -a values ;;
    *) compadd -l -d shown -a values ;;
  esac
}
if [[ "\${funcstack[1]}" = _forebay ]]; then
  _forebay "$@"
else
  compdef _forebay forebay
fi
`,
  fish: `# forebay completion for fish
function __forebay_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  set -l lines ($words[1] __complete fish $words[2..-1] "$current" 2>/dev/null)
  test (count $lines) -gt 0; or return
  if test $lines[1] = files
    __fish_complete_path "$current"
  else
    string join \\n -- $lines[2..-1]
  end
end
complete -c forebay -f -a '(__forebay_complete)'
`,
}
