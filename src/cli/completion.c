/*
 * Completion scripts. Each asks `kurtosis __complete` with the words of the command line and
 * turns candidates and directive into what its shell wants. %1$s stands for the program's name,
 * %2$s for the hidden command (with or without descriptions).
 */
#include "base/str.h"
#include "cli/command.h"
#include "cli/ui.h"

#include <stdio.h>
#include <string.h>

static const char bash_script[] =
	"# bash completion for %1$s\n"
	"\n"
	"__start_%1$s()\n"
	"{\n"
	"    local words=(\"${COMP_WORDS[@]:1:COMP_CWORD}\") out directive line\n"
	"    local cur=\"${COMP_WORDS[COMP_CWORD]}\"\n"
	"    out=$(\"${COMP_WORDS[0]}\" %2$s \"${words[@]}\" 2>/dev/null) || return\n"
	"    directive=${out##*:}\n"
	"    out=${out%%:*}\n"
	"    COMPREPLY=()\n"
	"    while IFS= read -r line; do\n"
	"        line=${line%%%%$'\\t'*}\n"
	"        if [[ -n $line && $line == \"$cur\"* ]]; then\n"
	"            COMPREPLY+=(\"$(printf '%%q' \"$line\")\")\n"
	"        fi\n"
	"    done <<< \"$out\"\n"
	"    if (( directive & 2 )); then\n"
	"        compopt -o nospace 2>/dev/null\n"
	"    fi\n"
	"    if (( directive & 32 )); then\n"
	"        compopt -o nosort 2>/dev/null\n"
	"    fi\n"
	"    if (( ! (directive & 4) && ${#COMPREPLY[@]} == 0 )); then\n"
	"        compopt -o default 2>/dev/null\n"
	"    fi\n"
	"}\n"
	"\n"
	"complete -F __start_%1$s %1$s\n";

static const char zsh_script[] =
	"#compdef %1$s\n"
	"compdef _%1$s %1$s\n"
	"\n"
	"# zsh completion for %1$s\n"
	"\n"
	"_%1$s()\n"
	"{\n"
	"    local out directive line name text\n"
	"    local -a lines candidates\n"
	"    out=$(\"${words[1]}\" %2$s \"${(@)words[2,CURRENT]}\" 2>/dev/null) || return\n"
	"    lines=(\"${(@f)out}\")\n"
	"    directive=${lines[-1]#:}\n"
	"    for line in \"${(@)lines[1,-2]}\"; do\n"
	"        name=${line%%%%$'\\t'*}\n"
	"        name=${name//:/\\\\:}\n"
	"        text=\n"
	"        [[ $line == *$'\\t'* ]] && text=${line#*$'\\t'}\n"
	"        candidates+=(\"$name${text:+:$text}\")\n"
	"    done\n"
	"    if (( ${#candidates} )); then\n"
	"        if (( directive & 32 )); then\n"
	"            _describe -V 'completions' candidates\n"
	"        else\n"
	"            _describe 'completions' candidates\n"
	"        fi\n"
	"    elif (( ! (directive & 4) )); then\n"
	"        _files\n"
	"    fi\n"
	"}\n"
	"\n"
	"if [ \"$funcstack[1]\" = \"_%1$s\" ]; then\n"
	"    _%1$s\n"
	"fi\n";

static const char fish_script[] =
	"# fish completion for %1$s\n"
	"\n"
	"function __%1$s_complete\n"
	"    set -l words (commandline -opc)\n"
	"    set -l current (commandline -ct)\n"
	"    set -l out ($words[1] %2$s $words[2..-1] \"$current\" 2>/dev/null)\n"
	"    or return\n"
	"    set -l directive (string replace -r '^:' '' -- $out[-1])\n"
	"    set -e out[-1]\n"
	"    if test (count $out) -gt 0\n"
	"        printf '%%s\\n' $out\n"
	"    else if test (math \"bitand($directive, 4)\") -eq 0\n"
	"        __fish_complete_path \"$current\"\n"
	"    end\n"
	"end\n"
	"\n"
	"complete -c %1$s -e\n"
	"complete -c %1$s -f -a '(__%1$s_complete)'\n";

static const char powershell_script[] =
	"# powershell completion for %1$s\n"
	"\n"
	"Register-ArgumentCompleter -Native -CommandName '%1$s' -ScriptBlock {\n"
	"    param($wordToComplete, $commandAst, $cursorPosition)\n"
	"    $words = @($commandAst.CommandElements |\n"
	"        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |\n"
	"        ForEach-Object { $_.Extent.Text })\n"
	"    $rest = @($words | Select-Object -Skip 1)\n"
	"    # Before 7.3 an empty argument was dropped unless it was quoted twice.\n"
	"    $empty = if ($PSVersionTable.PSVersion -ge [version]'7.3') { '' } else { '\"\"' }\n"
	"    $partial = if ($wordToComplete) { $wordToComplete } else { $empty }\n"
	"    $lines = @(& $words[0] %2$s @rest $partial 2>$null)\n"
	"    foreach ($line in ($lines | Select-Object -SkipLast 1)) {\n"
	"        $name, $text = $line -split \"`t\", 2\n"
	"        if (-not $text) { $text = $name }\n"
	"        [System.Management.Automation.CompletionResult]::new(\n"
	"            $name, $name, 'ParameterValue', $text)\n"
	"    }\n"
	"}\n";

int kt_cli_completion(kt_cli *cli, kt_err *err)
{
	static const struct {
		const char *shell;
		const char *script;
	} scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script},
		     {"powershell", powershell_script}};
	bool plain = kt_cli_bool(cli, "no-descriptions");
	for (size_t i = 0; i < KT_ARRAY_LEN(scripts); i++) {
		if (strcmp(scripts[i].shell, cli->command->name) == 0) {
			kt_out(cli, scripts[i].script, kt_commands()->name,
			       plain ? "__completeNoDesc" : "__complete");
			return 0;
		}
	}
	return KT_FAIL(err, UNSUPPORTED, "completion for %s is not supported yet", cli->command->name);
}
