#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/commands/commands.h"

namespace skytrain::client {
namespace {

// In every script: jobs are asked of the server, and none are offered where that fails.
constexpr char kJobs[] =
    R"sh(skytrain list --output jsonl 2>/dev/null | sed -n 's/^{"name": "\([^"]*\)".*/\1/p')sh";
constexpr char kJobCommands[] = "show|watch|logs|metrics|wait|cancel|delete|fetch|evaluate";

constexpr char kBash[] = R"sh(# bash completion for skytrain: source <(skytrain completion bash)
_skytrain_jobs() {
  @JOBS@
}
_skytrain() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} options=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "@COMMANDS@" -- "$cur"))
    return
  fi
  case $prev in
    --output) COMPREPLY=($(compgen -W "table json jsonl csv" -- "$cur")); return ;;
    --dir | -o) COMPREPLY=($(compgen -d -- "$cur")); return ;;
    --data) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --stream) COMPREPLY=($(compgen -W "stdout stderr" -- "$cur")); return ;;
  esac
  case ${COMP_WORDS[1]} in
@OPTIONS@
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
    return
  fi
  case ${COMP_WORDS[1]} in
    submit) COMPREPLY=($(compgen -f -- "$cur")) ;;
    completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$cur")) ;;
    @JOB_COMMANDS@)
      COMPREPLY=($(compgen -W "$(_skytrain_jobs)" -- "$cur")) ;;
  esac
}
complete -o filenames -F _skytrain skytrain
)sh";

constexpr char kZsh[] = R"sh(#compdef skytrain
# zsh completion for skytrain: source <(skytrain completion zsh)
_skytrain_jobs() {
  @JOBS@
}
_skytrain() {
  local -a commands options jobs
  commands=(
@COMMANDS@
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  case ${words[CURRENT-1]} in
    --output) compadd table json jsonl csv; return ;;
    --dir|-o) _files -/; return ;;
    --data) _files; return ;;
    --stream) compadd stdout stderr; return ;;
  esac
  case ${words[2]} in
@OPTIONS@
  esac
  if [[ ${words[CURRENT]} == -* ]]; then
    compadd -- ${=options}
    return
  fi
  case ${words[2]} in
    submit) _files ;;
    completion) compadd bash zsh fish ;;
    @JOB_COMMANDS@)
      jobs=(${(f)"$(_skytrain_jobs)"})
      compadd -- $jobs ;;
  esac
}
compdef _skytrain skytrain
)sh";

constexpr char kFish[] = R"sh(# fish completion for skytrain: skytrain completion fish | source
function __skytrain_jobs
  @JOBS@
end
complete -c skytrain -f
@COMMANDS@
complete -c skytrain -n '__fish_seen_subcommand_from submit' -F
complete -c skytrain -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'
complete -c skytrain -n '__fish_seen_subcommand_from @JOB_COMMANDS@' -a '(__skytrain_jobs)'
)sh";

std::string ForEach(const std::vector<CommandHelp>& commands, absl::string_view separator,
                    std::string (*line)(const CommandHelp&)) {
  return absl::StrJoin(commands, separator, [line](std::string* out, const CommandHelp& command) {
    out->append(line(command));
  });
}

std::string Name(const CommandHelp& command) { return command.name; }

std::string OptionCase(const CommandHelp& command) {
  return absl::StrCat("    ", command.name, ") options=\"", absl::StrJoin(command.options, " "),
                      "\" ;;");
}

std::string ZshCommand(const CommandHelp& command) {
  return absl::StrCat("    '", command.name, ":",
                      absl::StrReplaceAll(command.what, {{"'", "'\\''"}, {":", "\\:"}}), "'");
}

std::string FishCommand(const CommandHelp& command) {
  std::string text = absl::StrCat("complete -c skytrain -n __fish_use_subcommand -a ", command.name,
                                  " -d '", absl::StrReplaceAll(command.what, {{"'", "\\'"}}), "'");
  for (const std::string& option : command.options) {
    absl::StrAppend(&text, "\ncomplete -c skytrain -n '__fish_seen_subcommand_from ", command.name,
                    "' -l ", option.substr(2));
  }
  return text;
}

}  // namespace

absl::StatusOr<ExitCode> Completion(Context& context, const std::string& shell,
                                    const std::vector<CommandHelp>& commands) {
  const std::string options = ForEach(commands, "\n", OptionCase);
  if (shell == "bash") {
    context.Out(absl::StrReplaceAll(kBash, {{"@COMMANDS@", ForEach(commands, " ", Name)},
                                            {"@OPTIONS@", options},
                                            {"@JOB_COMMANDS@", kJobCommands},
                                            {"@JOBS@", kJobs}}));
  } else if (shell == "zsh") {
    context.Out(absl::StrReplaceAll(kZsh, {{"@COMMANDS@", ForEach(commands, "\n", ZshCommand)},
                                           {"@OPTIONS@", options},
                                           {"@JOB_COMMANDS@", kJobCommands},
                                           {"@JOBS@", kJobs}}));
  } else {
    context.Out(absl::StrReplaceAll(
        kFish, {{"@COMMANDS@", ForEach(commands, "\n", FishCommand)},
                {"@JOB_COMMANDS@", absl::StrReplaceAll(kJobCommands, {{"|", " "}})},
                {"@JOBS@", kJobs}}));
  }
  return kExitOk;
}

}  // namespace skytrain::client
