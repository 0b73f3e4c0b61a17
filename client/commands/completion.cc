#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/commands/commands.h"

namespace skytrain::client {
namespace {

// In every script: names are asked of the server, and none are offered where that fails.
constexpr char kJobs[] =
    R"sh(skytrain list --output jsonl 2>/dev/null | sed -n 's/^{"name": "\([^"]*\)".*/\1/p')sh";
constexpr char kDatasets[] =
    R"sh(skytrain datasets list --output jsonl 2>/dev/null | sed -n 's/^{"name": "\([^"]*\)".*/\1/p')sh";
constexpr char kModels[] =
    R"sh(skytrain models list --output jsonl 2>/dev/null | sed -n 's|^{"name": "models/\([^/]*\)/versions/\([0-9]*\)".*|\1@\2|p')sh";
constexpr char kJobCommands[] = "show|watch|logs|metrics|wait|cancel|delete|fetch|evaluate|predict";

constexpr char kBash[] = R"sh(# bash completion for skytrain: source <(skytrain completion bash)
_skytrain_jobs() {
  @JOBS@
}
_skytrain_datasets() {
  @DATASETS@
}
_skytrain_models() {
  @MODELS@
}
_skytrain() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} options=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "@COMMANDS@" -- "$cur"))
    return
  fi
  case ${COMP_WORDS[1]}:$COMP_CWORD in
@GROUPS@
  esac
  case $prev in
    --output) COMPREPLY=($(compgen -W "table json jsonl csv" -- "$cur")); return ;;
    --dir | -o) COMPREPLY=($(compgen -d -- "$cur")); return ;;
    --data) COMPREPLY=($(compgen -W "$(_skytrain_datasets)" -- "$cur") $(compgen -f -- "$cur")); return ;;
    --table) COMPREPLY=($(compgen -f -- "$cur")); return ;;
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
    submit | upload) COMPREPLY=($(compgen -f -- "$cur")) ;;
    models) COMPREPLY=($(compgen -W "$(_skytrain_models)" -- "$cur")) ;;
    datasets)
      COMPREPLY=($(compgen -f -- "$cur"))
      case ${COMP_WORDS[2]} in
        show | preview | delete) COMPREPLY+=($(compgen -W "$(_skytrain_datasets)" -- "$cur")) ;;
      esac ;;
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
_skytrain_datasets() {
  @DATASETS@
}
_skytrain_models() {
  @MODELS@
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
  case ${words[2]}:$CURRENT in
@GROUPS@
  esac
  case ${words[CURRENT-1]} in
    --output) compadd table json jsonl csv; return ;;
    --dir|-o) _files -/; return ;;
    --data) compadd -- ${(f)"$(_skytrain_datasets)"}; _files; return ;;
    --table) _files; return ;;
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
    submit|upload) _files ;;
    models) compadd -- ${(f)"$(_skytrain_models)"} ;;
    datasets)
      case ${words[3]} in
        show|preview|delete) compadd -- ${(f)"$(_skytrain_datasets)"} ;;
      esac
      _files ;;
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
function __skytrain_datasets
  @DATASETS@
end
function __skytrain_models
  @MODELS@
end
complete -c skytrain -f
@COMMANDS@
complete -c skytrain -n '__fish_seen_subcommand_from submit upload datasets' -F
complete -c skytrain -n '__fish_seen_subcommand_from datasets; and __fish_seen_subcommand_from show preview delete' -a '(__skytrain_datasets)'
complete -c skytrain -n '__fish_seen_subcommand_from models; and __fish_seen_subcommand_from show alias delete' -a '(__skytrain_models)'
complete -c skytrain -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'
complete -c skytrain -n '__fish_seen_subcommand_from @JOB_COMMANDS@; and not __fish_seen_subcommand_from @GROUPS@' -a '(__skytrain_jobs)'
)sh";

std::string ForEach(const std::vector<CommandHelp>& commands, absl::string_view separator,
                    std::string (*line)(const CommandHelp&)) {
  return absl::StrJoin(commands, separator, [line](std::string* out, const CommandHelp& command) {
    out->append(line(command));
  });
}

std::string Name(const CommandHelp& command) { return command.name; }

// `word`: how the script calls the word after a group's own.
std::string OptionCase(const CommandHelp& command, absl::string_view word) {
  std::string text =
      absl::StrCat("    ", command.name, ") options=\"", absl::StrJoin(command.options, " "), "\"");
  if (!command.commands.empty()) {
    absl::StrAppend(&text, "\n      case ", word, " in\n");
    for (const CommandHelp& below : command.commands) {
      absl::StrAppend(&text, "    ", OptionCase(below, ""), "\n");
    }
    absl::StrAppend(&text, "      esac");
  }
  return text + " ;;";
}
std::string BashOptions(const CommandHelp& command) {
  return OptionCase(command, "${COMP_WORDS[2]}");
}
std::string ZshOptions(const CommandHelp& command) { return OptionCase(command, "${words[3]}"); }

std::vector<CommandHelp> GroupsOf(const std::vector<CommandHelp>& commands) {
  std::vector<CommandHelp> groups;
  for (const CommandHelp& command : commands) {
    if (!command.commands.empty()) groups.push_back(command);
  }
  return groups;
}

// One that is a command too has options of its own.
std::string BashGroup(const CommandHelp& group) {
  return absl::StrCat("    ", group.name, ":2) [[ $cur == -* ]] || { COMPREPLY=($(compgen -W \"",
                      ForEach(group.commands, " ", Name), "\" -- \"$cur\")); return; } ;;");
}

std::string ZshCommand(const CommandHelp& command) {
  return absl::StrCat("    '", command.name, ":",
                      absl::StrReplaceAll(command.what, {{"'", "'\\''"}, {":", "\\:"}}), "'");
}

std::string ZshGroup(const CommandHelp& group) {
  return absl::StrCat("    ", group.name,
                      ":3)\n    if [[ ${words[CURRENT]} != -* ]]; then\n"
                      "      commands=(\n",
                      ForEach(group.commands, "\n", ZshCommand),
                      "\n      )\n      _describe command commands; return\n    fi ;;");
}

// `when`: the condition under which the command may come next; `seen`: that it was typed.
std::string FishLines(const CommandHelp& command, const std::string& when,
                      const std::string& seen) {
  std::string text = absl::StrCat("complete -c skytrain -n '", when, "' -a ", command.name, " -d '",
                                  absl::StrReplaceAll(command.what, {{"'", "\\'"}}), "'");
  for (const std::string& option : command.options) {
    absl::StrAppend(&text, "\ncomplete -c skytrain -n '", seen, "' -l ", option.substr(2));
  }
  return text;
}

std::string FishCommands(const std::vector<CommandHelp>& commands) {
  const std::string seen = "__fish_seen_subcommand_from ";
  const std::string groups = ForEach(GroupsOf(commands), " ", Name);
  std::vector<std::string> lines;
  for (const CommandHelp& command : commands) {
    const bool group = !command.commands.empty();
    lines.push_back(FishLines(
        command, "__fish_use_subcommand",
        absl::StrCat(seen, command.name, group ? "" : absl::StrCat("; and not ", seen, groups))));
    const std::string others = ForEach(command.commands, " ", Name);
    for (const CommandHelp& below : command.commands) {
      lines.push_back(FishLines(below, absl::StrCat(seen, command.name, "; and not ", seen, others),
                                absl::StrCat(seen, command.name, "; and ", seen, below.name)));
    }
  }
  return absl::StrJoin(lines, "\n");
}

}  // namespace

absl::StatusOr<ExitCode> Completion(Context& context, const std::string& shell,
                                    const std::vector<CommandHelp>& commands) {
  const std::vector<CommandHelp> groups = GroupsOf(commands);
  if (shell == "bash") {
    context.Out(absl::StrReplaceAll(kBash, {{"@COMMANDS@", ForEach(commands, " ", Name)},
                                            {"@GROUPS@", ForEach(groups, "\n", BashGroup)},
                                            {"@OPTIONS@", ForEach(commands, "\n", BashOptions)},
                                            {"@JOB_COMMANDS@", kJobCommands},
                                            {"@DATASETS@", kDatasets},
                                            {"@MODELS@", kModels},
                                            {"@JOBS@", kJobs}}));
  } else if (shell == "zsh") {
    context.Out(absl::StrReplaceAll(kZsh, {{"@COMMANDS@", ForEach(commands, "\n", ZshCommand)},
                                           {"@GROUPS@", ForEach(groups, "\n", ZshGroup)},
                                           {"@OPTIONS@", ForEach(commands, "\n", ZshOptions)},
                                           {"@JOB_COMMANDS@", kJobCommands},
                                           {"@DATASETS@", kDatasets},
                                           {"@MODELS@", kModels},
                                           {"@JOBS@", kJobs}}));
  } else {
    context.Out(absl::StrReplaceAll(
        kFish, {{"@COMMANDS@", FishCommands(commands)},
                {"@GROUPS@", ForEach(groups, " ", Name)},
                {"@JOB_COMMANDS@", absl::StrReplaceAll(kJobCommands, {{"|", " "}})},
                {"@DATASETS@", kDatasets},
                {"@MODELS@", kModels},
                {"@JOBS@", kJobs}}));
  }
  return kExitOk;
}

}  // namespace skytrain::client
