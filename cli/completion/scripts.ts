/**
 * What the three shells run when Tab is pressed: each asks the program itself, so that nothing here has to be kept up
 * to date. What it prints is a line for each word that fits, with a description after a tab.
 *
 * It is asked as people call it, by the shell function or command of its name: that one knows in which directory, and
 * so for which fleet, it runs. Where there is none, it is called by its path.
 */
export const COMPLETION_SCRIPTS = { bash, zsh, fish } as const;

export type Shell = keyof typeof COMPLETION_SCRIPTS;

/** Quotes a word for all three shells. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

const byPath = (command: readonly string[]) => command.map(quoted).join(' ');

/** bash splits a word at characters such as @ and =; what it has already taken as done must not be offered again. */
function bash(name: string, command: readonly string[]): string {
  const fn = functionName(name);
  return `${fn}() {
  local line=\${COMP_LINE:0:COMP_POINT} words current itself=(${name})
  [[ $(type -t ${name}) == @(function|file) ]] || itself=(${byPath(command)})
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  current=\${words[\${#words[@]}-1]}
  mapfile -t COMPREPLY < <("\${itself[@]}" __complete -- "\${words[@]:1}" 2>/dev/null </dev/null | cut -f1)
  COMPREPLY=("\${COMPREPLY[@]#"\${current%"$2"}"}")
}
complete -F ${fn} ${name}`;
}

function zsh(name: string, command: readonly string[]): string {
  const fn = functionName(name);
  return `${fn}() {
  local line word
  local -a described itself
  itself=(${name})
  (( $+functions[${name}] || $+commands[${name}] )) || itself=(${byPath(command)})
  for line in "\${(@f)$("\${itself[@]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null </dev/null)}"; do
    [[ -z $line ]] && continue
    word=\${line%%$'\\t'*}
    [[ $word == $line ]] && line='' || line=:\${line#*$'\\t'}
    described+=("\${word//:/\\\\:}$line")
  done
  _describe 'candidates' described
}
compdef ${fn} ${name}`;
}

function fish(name: string, command: readonly string[]): string {
  const fn = functionName(name);
  return `function ${fn}
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  set -e words[1]
  set -l itself ${name}
  type -q ${name}; or set itself ${byPath(command)}
  $itself __complete -- $words "$current" 2>/dev/null </dev/null
end
complete -c ${name} -f -a '(${fn})'`;
}

function functionName(name: string): string {
  return `_${name.replaceAll('-', '_')}`;
}
