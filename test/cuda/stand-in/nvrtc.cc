// A stand-in for NVRTC: compiles the text of kernels for the emulator, and gives the image as cubin or as PTX.
//
// g++ and compile-kernels.sh do the work, so text that they refuse is a compile error with their words in the log. Each
// compilation adds a line (name and architecture) to the file that TSDLC_STANDIN_NVRTC_LOG names, so that a test can
// tell a cached kernel from one that was compiled again.

#include "nvrtc.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern char** environ;

struct _nvrtcProgram {
  std::string text;
  std::string name;
  std::string log;
  std::string image;
  /// "sm_90a" or "compute_80"; empty before the first successful compilation.
  std::string architecture;
};

namespace {

namespace fs = std::filesystem;

/// What NVRTC 13.0 compiles for, without the suffixes of specific architectures.
constexpr int architectures[] = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};

/// Options that change nothing here, without their values.
constexpr const char* ignored[] = {"--fmad", "-fmad", "--std", "-std", "--use_fast_math", "-use_fast_math", "--ftz", "-ftz", "--prec-div", "-prec-div",
                                   "--prec-sqrt", "-prec-sqrt", "--extra-device-vectorization", "-extra-device-vectorization", "--generate-line-info", "-lineinfo",
                                   "--restrict", "-restrict", "--device-as-default-execution-space", "-default-device", "--maxrregcount", "-maxrregcount",
                                   "--disable-warnings", "-w", "--ptxas-options", "-Xptxas", "--minimal", "-minimal", "--split-compile", "-split-compile"};

struct Options {
  std::string architecture = "compute_75";
  std::vector<std::string> definitions;
};

bool isArchitecture(const std::string& text) {
  int number = 0, end = 0;
  if (sscanf(text.c_str(), "sm_%d%n", &number, &end) != 1 && sscanf(text.c_str(), "compute_%d%n", &number, &end) != 1) return false;
  const std::string suffix = text.substr(size_t(end));
  const bool known = std::find(std::begin(architectures), std::end(architectures), number) != std::end(architectures);
  return known && (suffix.empty() || (suffix == "a" && number >= 90));
}

/// The first option that NVRTC would not take, or nothing.
std::string read(int count, const char* const* options, Options& result) {
  for (int i = 0; i < count; i++) {
    const std::string option = options[i];
    const size_t equals = option.find('=');
    const std::string name = option.substr(0, equals), value = equals == std::string::npos ? "" : option.substr(equals + 1);
    if (name == "--gpu-architecture" || name == "-arch") {
      if (!isArchitecture(value)) return option;
      result.architecture = value;
    } else if (name == "--define-macro") {
      result.definitions.push_back("-D" + value);
    } else if (option.rfind("-D", 0) == 0) {
      result.definitions.push_back(option);
    } else if (std::find_if(std::begin(ignored), std::end(ignored), [&](const char* one) { return name == one; }) == std::end(ignored)) {
      return option;
    }
  }
  return "";
}

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// A folder that is gone at the end of its block.
class Workplace {
 public:
  Workplace() {
    std::string pattern = (fs::temp_directory_path() / "tsdlc-nvrtc-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~Workplace() {
    std::error_code ignoredError;
    fs::remove_all(folder_, ignoredError);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  fs::path operator/(const std::string& name) const { return folder_ / name; }

 private:
  fs::path folder_;
};

/// Runs a script of the emulator; what it prints goes into a file.
bool run(const std::string& script, std::vector<std::string> words, const fs::path& log) {
  words.insert(words.begin(), {"sh", std::string(EMULATOR_FOLDER) + "/" + script});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 2, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, "sh", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 1;
  if (failed == 0) {
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  return failed == 0 && status == 0;
}

void note(const _nvrtcProgram& program, const std::string& architecture) {
  const char* path = getenv("TSDLC_STANDIN_NVRTC_LOG");
  if (path != nullptr) std::ofstream(path, std::ios::app) << program.name << " " << architecture << "\n";
}

bool isPtx(const _nvrtcProgram& program) { return program.architecture.rfind("compute_", 0) == 0; }

/// The image as PTX: it is that already, or machine code that is wrapped.
std::string ptxOf(const _nvrtcProgram& program) {
  if (isPtx(program)) return program.image;
  Workplace work;
  std::ofstream(work / "image.so", std::ios::binary) << program.image;
  run("wrap-as-ptx.sh", {work / "image.so", work / "image.ptx", program.architecture}, work / "log");
  return contents(work / "image.ptx");
}

}  // namespace

EXPORTED const char* nvrtcGetErrorString(nvrtcResult result) {
  switch (result) {
    case NVRTC_SUCCESS: return "NVRTC_SUCCESS";
    case NVRTC_ERROR_OUT_OF_MEMORY: return "NVRTC_ERROR_OUT_OF_MEMORY";
    case NVRTC_ERROR_PROGRAM_CREATION_FAILURE: return "NVRTC_ERROR_PROGRAM_CREATION_FAILURE";
    case NVRTC_ERROR_INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
    case NVRTC_ERROR_INVALID_PROGRAM: return "NVRTC_ERROR_INVALID_PROGRAM";
    case NVRTC_ERROR_INVALID_OPTION: return "NVRTC_ERROR_INVALID_OPTION";
    case NVRTC_ERROR_COMPILATION: return "NVRTC_ERROR_COMPILATION";
    case NVRTC_ERROR_BUILTIN_OPERATION_FAILURE: return "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE";
    case NVRTC_ERROR_INTERNAL_ERROR: return "NVRTC_ERROR_INTERNAL_ERROR";
    default: return "NVRTC_ERROR unknown";
  }
}

EXPORTED nvrtcResult nvrtcVersion(int* major, int* minor) {
  if (major == nullptr || minor == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  *major = 13, *minor = 0;
  return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcGetNumSupportedArchs(int* count) {
  if (count == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  *count = int(std::size(architectures));
  return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcGetSupportedArchs(int* list) {
  if (list == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  std::copy(std::begin(architectures), std::end(architectures), list);
  return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcCreateProgram(nvrtcProgram* program, const char* source, const char* name, int headers, const char* const*, const char* const*) {
  if (program == nullptr || source == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  // Emitted kernels include nothing.
  if (headers != 0) return NVRTC_ERROR_PROGRAM_CREATION_FAILURE;
  *program = new _nvrtcProgram{source, name == nullptr || *name == 0 ? "default_program" : name, "", "", ""};
  return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcDestroyProgram(nvrtcProgram* program) {
  if (program == nullptr || *program == nullptr) return NVRTC_ERROR_INVALID_PROGRAM;
  delete *program;
  *program = nullptr;
  return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int count, const char* const* options) {
  if (program == nullptr) return NVRTC_ERROR_INVALID_PROGRAM;
  if (count < 0 || (count > 0 && options == nullptr)) return NVRTC_ERROR_INVALID_INPUT;
  program->architecture.clear();
  Options wanted;
  if (const std::string wrong = read(count, options, wanted); !wrong.empty()) {
    program->log = "nvrtc: error: invalid option: " + wrong + "\n";
    return NVRTC_ERROR_INVALID_OPTION;
  }
  note(*program, wanted.architecture);
  Workplace work;
  const fs::path source = work / fs::path(program->name).filename().string(), image = work / "image", log = work / "log";
  std::ofstream(source, std::ios::binary) << program->text;
  std::vector<std::string> words = {source, image, wanted.architecture};
  words.insert(words.end(), wanted.definitions.begin(), wanted.definitions.end());
  const bool compiled = run("compile-kernels.sh", words, log);
  program->log = contents(log);
  if (!compiled) return NVRTC_ERROR_COMPILATION;
  program->image = contents(image);
  program->architecture = wanted.architecture;
  return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t* bytes) {
  if (program == nullptr || program->architecture.empty()) return NVRTC_ERROR_INVALID_PROGRAM;
  if (bytes == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  // A virtual architecture has no machine code.
  *bytes = isPtx(*program) ? 0 : program->image.size();
  return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char* cubin) {
  if (program == nullptr || program->architecture.empty() || isPtx(*program)) return NVRTC_ERROR_INVALID_PROGRAM;
  if (cubin == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  memcpy(cubin, program->image.data(), program->image.size());
  return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcGetPTXSize(nvrtcProgram program, size_t* bytes) {
  if (program == nullptr || program->architecture.empty()) return NVRTC_ERROR_INVALID_PROGRAM;
  if (bytes == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  *bytes = ptxOf(*program).size() + 1;
  return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcGetPTX(nvrtcProgram program, char* ptx) {
  if (program == nullptr || program->architecture.empty()) return NVRTC_ERROR_INVALID_PROGRAM;
  if (ptx == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  const std::string text = ptxOf(*program);
  memcpy(ptx, text.c_str(), text.size() + 1);
  return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t* bytes) {
  if (program == nullptr) return NVRTC_ERROR_INVALID_PROGRAM;
  if (bytes == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  *bytes = program->log.size() + 1;
  return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char* log) {
  if (program == nullptr) return NVRTC_ERROR_INVALID_PROGRAM;
  if (log == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  memcpy(log, program->log.c_str(), program->log.size() + 1);
  return NVRTC_SUCCESS;
}
