"""``completion``: the scripts that complete commands in bash, zsh, fish and PowerShell."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import typer

from ecsmachine.cli.arguments.context import session
from ecsmachine.cli.display.printer import show


def completion(
    ctx: typer.Context,
    shell: Annotated[
        Literal["bash", "zsh", "fish", "powershell"],
        typer.Argument(help="The shell to complete in"),
    ],
) -> None:
    """Print the script that completes commands, flags, machines, regions and instance types.

    bash: add to ~/.bashrc: eval "$(ecsmachine completion bash)"
    zsh:  add to ~/.zshrc:  eval "$(ecsmachine completion zsh)"
    fish: ecsmachine completion fish > ~/.config/fish/completions/ecsmachine.fish
    PowerShell: add to $PROFILE: ecsmachine completion powershell | Out-String | Invoke-Expression

    Example: eval "$(ecsmachine completion bash)"
    """
    name = session(ctx).program[0]
    show(re.sub(r"\becsmachine\b", name, _SCRIPTS[shell]), end="")


_SCRIPTS = {
    "bash": r"""# completion of ecsmachine for bash
_ecsmachine() {
    # bash breaks words at = and : as well; here they are whole again
    local -a words=()
    local rest=${COMP_LINE:0:COMP_POINT} bare i line last=-1
    for ((i = 0; i <= COMP_CWORD; i++)); do
        bare=${rest#"${rest%%[![:space:]]*}"}
        if ((i)) && [[ -n ${COMP_WORDS[i]} && $bare == "$rest" ]]; then
            words[last]+=${COMP_WORDS[i]}
        else
            words[++last]=${COMP_WORDS[i]}
        fi
        rest=${bare#"${COMP_WORDS[i]}"}
    done
    local cur=${words[last]} broken=""
    [[ $cur == *[=:]* ]] && broken=${cur%"${COMP_WORDS[COMP_CWORD]#[=:]}"}
    COMPREPLY=()
    while IFS= read -r line; do
        line=${line%%$'\t'*}
        COMPREPLY+=("${line#"$broken"}")
    done < <(ecsmachine __complete "${words[@]:1:last-1}" "$cur" 2>/dev/null)
    case ${COMPREPLY[0]-} in *[:=]) compopt -o nospace 2>/dev/null ;; esac
}
complete -o default -F _ecsmachine ecsmachine
""",
    "zsh": r"""#compdef ecsmachine
# completion of ecsmachine for zsh
_ecsmachine() {
    local line word about
    local -a described suffix
    local -a before=("${(@)words[2,CURRENT-1]}")
    local answer="$(ecsmachine __complete "${(@)before}" "${words[CURRENT]}" 2>/dev/null)"
    for line in "${(@f)answer}"; do
        [[ -n $line ]] || continue
        word=${line%%$'\t'*} about=${line#*$'\t'}
        described+=("${word//:/\\:}:${about}")
        [[ $word == *[:=] ]] && suffix=(-S '')
    done
    if (( ${#described} )); then
        _describe -V ecsmachine described "${suffix[@]}"
    else
        _files
    fi
}
if [[ ${zsh_eval_context[-1]-} == loadautofunc ]]; then
    _ecsmachine "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _ecsmachine ecsmachine
fi
""",
    "fish": r"""# completion of ecsmachine for fish
function __ecsmachine_found
    set -l words (commandline -opc)
    set -g __ecsmachine_words (ecsmachine __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    test (count $__ecsmachine_words) -gt 0
end
complete -c ecsmachine -f -n __ecsmachine_found -a '$__ecsmachine_words'
""",
    "powershell": r"""# completion of ecsmachine for PowerShell
Register-ArgumentCompleter -Native -CommandName ecsmachine -ScriptBlock {
    param($word, $line, $position)
    $before = @($line.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $position } |
        ForEach-Object { if ($_.Value -is [string]) { $_.Value } else { $_.Extent.Text } })
    # Windows PowerShell leaves an empty word out, unless it is two quotes
    if (-not $word -and -not $PSNativeCommandArgumentPassing) { $word = '""' }
    ecsmachine __complete @before $word 2>$null | ForEach-Object {
        $found, $about = $_ -split "`t", 2
        if (-not $about) { $about = $found }
        [System.Management.Automation.CompletionResult]::new(
            $found, $found, 'ParameterValue', $about)
    }
}
""",
}
