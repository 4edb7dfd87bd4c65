/**
 * What the three shells run when Tab is pressed: each asks the program itself, so that nothing here has to be kept up
 * to date. An answer is a line for each word that fits, with a description after a tab.
 */
export const COMPLETION_SCRIPTS = { bash, zsh, fish } as const;

export type Shell = keyof typeof COMPLETION_SCRIPTS;

/** A word as every one of the shells takes it. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function ask(command: readonly string[]): string {
  return `${command.map(quoted).join(' ')} __complete --`;
}

/** bash splits a word at characters such as @ and =; what it has already taken as done must not be offered again. */
function bash(name: string, command: readonly string[]): string {
  const fn = functionName(name);
  return `${fn}() {
  local line=\${COMP_LINE:0:COMP_POINT} words current
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  current=\${words[\${#words[@]}-1]}
  mapfile -t COMPREPLY < <(${ask(command)} "\${words[@]:1}" 2>/dev/null | cut -f1)
  COMPREPLY=("\${COMPREPLY[@]#"\${current%"$2"}"}")
}
complete -F ${fn} ${name}`;
}

function zsh(name: string, command: readonly string[]): string {
  const fn = functionName(name);
  return `${fn}() {
  local line word
  local -a described
  for line in "\${(@f)$(${ask(command)} "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
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
  ${ask(command)} $words "$current" 2>/dev/null
end
complete -c ${name} -f -a '(${fn})'`;
}

function functionName(name: string): string {
  return `_${name.replaceAll('-', '_')}`;
}
