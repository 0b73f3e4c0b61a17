// Questions, answers and names of columns: those of Zoobot's catalogs, as galaxy_datasets/shared/
// label_metadata.py of github.com/mwalmsley/galaxy-datasets lists them (compared at 0782b8f; its
// `*_pairs`). What leads to a question is there, too (`*_dependencies`), as far as one answer can
// say it. Where the papers that decision_tree.h names say more, so does this:
//   merging, GZ2's something-odd    after smooth and after features; there: asked of everybody
//   GZ2's spirals, bars, bulges     after "not edge-on" (Willett et al. 2013, fig. 1); there: after
//                                   features
//   winding and arms in Hubble and  after "has spiral arms"; there: after "not edge-on"
//   CANDELS
#include "absl/strings/str_cat.h"
#include "server/spec/decision_tree.h"

namespace skytrain::spec {
namespace {

class TreeBuilder {
 public:
  // `suffix` goes between a question's name and its answers' in the names of columns.
  explicit TreeBuilder(std::string suffix) : suffix_(std::move(suffix)) {}

  // `after`: "question_answer" of those that lead here.
  TreeBuilder& Ask(const std::string& name, const std::vector<std::string>& answers,
                   const std::vector<std::pair<std::string, std::string>>& after = {}) {
    v1::DecisionTree::Question& question = *tree_.add_questions();
    question.set_name(name);
    for (const std::string& answer : answers) question.add_answers(Column(name, answer));
    for (size_t i = 0; i < after.size(); ++i) {
      const std::string column = Column(after[i].first, after[i].second);
      if (i == 0) {
        question.set_after(column);
      } else {
        question.add_or_after(column);
      }
    }
    return *this;
  }
  v1::DecisionTree Tree() { return std::move(tree_); }

 private:
  std::string Column(const std::string& question, const std::string& answer) const {
    return absl::StrCat(question, suffix_, "_", answer);
  }

  const std::string suffix_;
  v1::DecisionTree tree_;
};

// As the challenge normalised its table: question 6, about odd features, is not weighted by the
// answers before it, and 5, about the bulge, follows both answers to 4.
v1::DecisionTree Kaggle37() {
  const struct {
    const char* name;
    int answers;
    const char* after;
    const char* or_after;
  } kQuestions[] = {
      {"smooth", 3, "", ""},          {"edge_on", 2, "1.2", ""},     {"bar", 2, "2.2", ""},
      {"spiral", 2, "2.2", ""},       {"bulge", 4, "4.1", "4.2"},    {"odd", 2, "", ""},
      {"rounded", 3, "1.1", ""},      {"odd_feature", 7, "6.1", ""}, {"bulge_shape", 3, "2.1", ""},
      {"arms_winding", 3, "4.1", ""}, {"arms_number", 6, "4.1", ""}};
  v1::DecisionTree tree;
  for (const auto& asked : kQuestions) {
    v1::DecisionTree::Question& question = *tree.add_questions();
    question.set_name(asked.name);
    for (int a = 1; a <= asked.answers; ++a) {
      question.add_answers(absl::StrCat("Class", tree.questions_size(), ".", a));
    }
    if (*asked.after != '\0') question.set_after(absl::StrCat("Class", asked.after));
    if (*asked.or_after != '\0') question.add_or_after(absl::StrCat("Class", asked.or_after));
  }
  return tree;
}

v1::DecisionTree Gz2() {
  return TreeBuilder("-gz2")
      .Ask("smooth-or-featured", {"smooth", "featured-or-disk", "artifact"})
      .Ask("disk-edge-on", {"yes", "no"}, {{"smooth-or-featured", "featured-or-disk"}})
      .Ask("has-spiral-arms", {"yes", "no"}, {{"disk-edge-on", "no"}})
      .Ask("bar", {"yes", "no"}, {{"disk-edge-on", "no"}})
      .Ask("bulge-size", {"dominant", "obvious", "just-noticeable", "no"}, {{"disk-edge-on", "no"}})
      .Ask("something-odd", {"yes", "no"},
           {{"smooth-or-featured", "smooth"}, {"smooth-or-featured", "featured-or-disk"}})
      .Ask("how-rounded", {"round", "in-between", "cigar"}, {{"smooth-or-featured", "smooth"}})
      .Ask("bulge-shape", {"round", "boxy", "no-bulge"}, {{"disk-edge-on", "yes"}})
      .Ask("spiral-winding", {"tight", "medium", "loose"}, {{"has-spiral-arms", "yes"}})
      .Ask("spiral-arm-count", {"1", "2", "3", "4", "more-than-4", "cant-tell"},
           {{"has-spiral-arms", "yes"}})
      .Tree();
}

// GZD-5's questions, which later campaigns kept. `neither`: the answer for what is no galaxy.
TreeBuilder DecalsQuestions(const std::string& suffix, const std::string& neither) {
  return TreeBuilder(suffix)
      .Ask("smooth-or-featured", {"smooth", "featured-or-disk", neither})
      .Ask("disk-edge-on", {"yes", "no"}, {{"smooth-or-featured", "featured-or-disk"}})
      .Ask("has-spiral-arms", {"yes", "no"}, {{"disk-edge-on", "no"}})
      .Ask("bar", {"strong", "weak", "no"}, {{"disk-edge-on", "no"}})
      .Ask("bulge-size", {"dominant", "large", "moderate", "small", "none"},
           {{"disk-edge-on", "no"}})
      .Ask("how-rounded", {"round", "in-between", "cigar-shaped"},
           {{"smooth-or-featured", "smooth"}})
      .Ask("edge-on-bulge", {"boxy", "none", "rounded"}, {{"disk-edge-on", "yes"}})
      .Ask("spiral-winding", {"tight", "medium", "loose"}, {{"has-spiral-arms", "yes"}})
      .Ask("spiral-arm-count", {"1", "2", "3", "4", "more-than-4", "cant-tell"},
           {{"has-spiral-arms", "yes"}})
      .Ask("merging", {"none", "minor-disturbance", "major-disturbance", "merger"},
           {{"smooth-or-featured", "smooth"}, {"smooth-or-featured", "featured-or-disk"}});
}

v1::DecisionTree Decals(const std::string& suffix) {
  return DecalsQuestions(suffix, "artifact").Tree();
}

// GZD-1 and GZD-2, whose questions had other answers than GZD-5's.
v1::DecisionTree DecalsDr12() {
  return TreeBuilder("-dr12")
      .Ask("smooth-or-featured", {"smooth", "featured-or-disk", "artifact"})
      .Ask("disk-edge-on", {"yes", "no"}, {{"smooth-or-featured", "featured-or-disk"}})
      .Ask("has-spiral-arms", {"yes", "no"}, {{"disk-edge-on", "no"}})
      .Ask("bar", {"yes", "no"}, {{"disk-edge-on", "no"}})
      .Ask("bulge-size", {"dominant", "obvious", "none"}, {{"disk-edge-on", "no"}})
      .Ask("how-rounded", {"completely", "in-between", "cigar-shaped"},
           {{"smooth-or-featured", "smooth"}})
      .Ask("edge-on-bulge", {"boxy", "none", "rounded"}, {{"disk-edge-on", "yes"}})
      .Ask("spiral-winding", {"tight", "medium", "loose"}, {{"has-spiral-arms", "yes"}})
      .Ask("spiral-arm-count", {"1", "2", "3", "4", "more-than-4"}, {{"has-spiral-arms", "yes"}})
      .Ask("merging", {"neither", "tidal-debris", "both", "merger"},
           {{"smooth-or-featured", "smooth"}, {"smooth-or-featured", "featured-or-disk"}})
      .Tree();
}

// What surveys of distant galaxies begin with, where discs may be clumps: hubble_ortho_dependencies
// and candels_ortho_dependencies.
TreeBuilder ClumpyQuestions(const std::string& suffix) {
  return TreeBuilder(suffix)
      .Ask("smooth-or-featured", {"smooth", "features", "artifact"})
      .Ask("how-rounded", {"completely", "in-between", "cigar-shaped"},
           {{"smooth-or-featured", "smooth"}})
      .Ask("clumpy-appearance", {"yes", "no"}, {{"smooth-or-featured", "features"}})
      .Ask("clump-count", {"1", "2", "3", "4", "5-plus", "cant-tell"},
           {{"clumpy-appearance", "yes"}})
      .Ask("disk-edge-on", {"yes", "no"}, {{"clumpy-appearance", "no"}});
}

// Without the questions on how clumps lie and which is brightest, which its catalog leaves out.
v1::DecisionTree Hubble() {
  return ClumpyQuestions("-hubble")
      .Ask("bulge-shape", {"rounded", "boxy", "none"}, {{"disk-edge-on", "yes"}})
      .Ask("bar", {"yes", "no"}, {{"disk-edge-on", "no"}})
      .Ask("has-spiral-arms", {"yes", "no"}, {{"disk-edge-on", "no"}})
      .Ask("spiral-winding", {"tight", "medium", "loose"}, {{"has-spiral-arms", "yes"}})
      .Ask("spiral-arm-count", {"1", "2", "3", "4", "5-plus", "cant-tell"},
           {{"has-spiral-arms", "yes"}})
      .Ask("bulge-size", {"none", "just-noticeable", "obvious", "dominant"},
           {{"disk-edge-on", "no"}})
      .Ask("galaxy-symmetrical", {"yes", "no"}, {{"clumpy-appearance", "yes"}})
      .Ask("clumps-embedded-larger-object", {"yes", "no"}, {{"clumpy-appearance", "yes"}})
      .Tree();
}

v1::DecisionTree Candels() {
  return ClumpyQuestions("-candels")
      .Ask("edge-on-bulge", {"yes", "no"}, {{"disk-edge-on", "yes"}})
      .Ask("bar", {"yes", "no"}, {{"disk-edge-on", "no"}})
      .Ask("has-spiral-arms", {"yes", "no"}, {{"disk-edge-on", "no"}})
      .Ask("spiral-winding", {"tight", "medium", "loose"}, {{"has-spiral-arms", "yes"}})
      .Ask("spiral-arm-count", {"1", "2", "3", "4", "5-plus", "cant-tell"},
           {{"has-spiral-arms", "yes"}})
      .Ask("bulge-size", {"none", "obvious", "dominant"}, {{"disk-edge-on", "no"}})
      .Ask("merging", {"merger", "tidal-debris", "both", "neither"},
           {{"smooth-or-featured", "smooth"}, {"smooth-or-featured", "features"}})
      .Tree();
}

// GZD-5's with clumps, and problems instead of artifacts: cosmic_dawn_ortho_dependencies. JWST's
// (jwst_ortho_dependencies) is the same but for the suffix.
v1::DecisionTree CosmicDawn(const std::string& suffix) {
  return DecalsQuestions(suffix, "problem")
      .Ask("clumps", {"yes", "no"}, {{"disk-edge-on", "no"}})
      .Ask("problem", {"star", "artifact", "zoom"}, {{"smooth-or-featured", "problem"}})
      .Ask("artifact", {"satellite", "scattered", "diffraction", "ray", "saturation", "other"},
           {{"problem", "artifact"}})
      .Tree();
}

v1::DecisionTree Rings() { return TreeBuilder("").Ask("ring", {"yes", "no"}).Tree(); }

// Every campaign's tree beside the others', in the order of gz_evo_v1_pairs; a galaxy has votes in
// those that asked about it.
v1::DecisionTree Evo() {
  v1::DecisionTree all;
  const std::pair<const char*, v1::DecisionTree> campaigns[] = {
      {"-dr12", DecalsDr12()}, {"-dr5", Decals("-dr5")}, {"-dr8", Decals("-dr8")},  {"-gz2", Gz2()},
      {"-candels", Candels()}, {"-hubble", Hubble()},    {"-cd", CosmicDawn("-cd")}};
  for (const auto& [suffix, tree] : campaigns) {
    for (const v1::DecisionTree::Question& asked : tree.questions()) {
      v1::DecisionTree::Question& question = *all.add_questions();
      question = asked;
      question.set_name(asked.name() + suffix);
    }
  }
  return all;
}

}  // namespace

v1::DecisionTree BuiltinTree(const std::string& name) {
  if (name == "kaggle37") return Kaggle37();
  if (name == "gz2") return Gz2();
  if (name == "decals") return Decals("");
  if (name == "decals_dr5") return Decals("-dr5");
  if (name == "decals_dr8") return Decals("-dr8");
  if (name == "decals_dr12") return DecalsDr12();
  if (name == "gz_hubble") return Hubble();
  if (name == "gz_candels") return Candels();
  if (name == "gz_cosmic_dawn") return CosmicDawn("-cd");
  if (name == "gz_jwst") return CosmicDawn("-jwst");
  if (name == "gz_rings") return Rings();
  if (name == "gz_evo") return Evo();
  return {};
}

}  // namespace skytrain::spec
