#include "image.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tsdlc::standin {

namespace {

/// e_machine of the real machine code (ELF: EM_CUDA).
constexpr Elf64_Half cudaMachine = 190;

/// The bytes of an ELF file, of which the driver is not told how many there are: the table of sections comes last.
size_t elfBytes(const void* code) {
  Elf64_Ehdr header;
  memcpy(&header, code, sizeof header);
  return header.e_shoff + size_t{header.e_shentsize} * header.e_shnum;
}

/// "sm_90a" runs on 9.0 alone, "sm_80" on 8.x from 8.0 on, "any" everywhere.
bool runsOn(const std::string& architecture, const Settings& settings) {
  unsigned number = 0;
  char suffix = 0;
  if (architecture == "any") return true;
  const int found = sscanf(architecture.c_str(), "sm_%u%c", &number, &suffix);
  if (found < 1) return false;
  const unsigned device = unsigned(10 * settings.major + settings.minor);
  if (found == 2) return suffix == 'a' && number == device;
  return number / 10 == device / 10 && number <= device;
}

std::string fromHex(const char* text) {
  std::string bytes;
  unsigned byte = 0;
  // Lines of "// " and hexadecimal digits, to the end of the text.
  for (const char* line = strstr(text, "\n// "); line != nullptr; line = strstr(line + 1, "\n// ")) {
    for (const char* at = line + 4; sscanf(at, "%2x", &byte) == 1 && *at != '\n'; at += 2) bytes.push_back(char(byte));
  }
  return bytes;
}

/// The shared object inside of PTX, or why the driver would not take it.
std::string fromPtx(const char* text, const Settings& settings, CUresult& result, std::string& reason) {
  unsigned major = 0, minor = 0, target = 0;
  const char* version = strstr(text, ".version ");
  const char* architecture = strstr(text, ".target sm_");
  if (version == nullptr || architecture == nullptr || sscanf(version, ".version %u.%u", &major, &minor) != 2 || sscanf(architecture, ".target sm_%u", &target) != 1) {
    result = CUDA_ERROR_INVALID_IMAGE;
    reason = "it is neither ELF nor PTX";
    return "";
  }
  const int asked = int(10 * major + minor), device = 10 * settings.major + settings.minor;
  if (asked > settings.ptxVersion) {
    result = CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
    reason = "it is PTX of version " + std::to_string(major) + "." + std::to_string(minor) + ", and the setting \"ptx\" allows " +
             (settings.ptxVersion == 0 ? "none" : std::to_string(settings.ptxVersion / 10) + "." + std::to_string(settings.ptxVersion % 10));
    return "";
  }
  if (int(target) > device) {
    result = CUDA_ERROR_INVALID_PTX;
    reason = "it is PTX for sm_" + std::to_string(target) + ", and the device is sm_" + std::to_string(device);
    return "";
  }
  const std::string bytes = fromHex(text);
  if (bytes.size() < sizeof(Elf64_Ehdr)) {
    result = CUDA_ERROR_INVALID_PTX;
    reason = "it is real PTX, which the emulator cannot run";
    return "";
  }
  return bytes;
}

/// An opened image: a file in memory, because dlopen takes names. It stays open as long as the library: another file
/// would get its number, so its name, and dlopen takes a name it knows for the library it has. AddressSanitizer reads
/// lines of the source from it, too.
struct Opened {
  int file = -1;
  void* library = nullptr;

  void close() {
    if (library != nullptr) dlclose(library);
    if (file >= 0) ::close(file);
  }
};

Opened open(const void* code, size_t bytes, std::string& reason) {
  Opened opened{memfd_create("cuda-image", MFD_CLOEXEC), nullptr};
  if (opened.file < 0 || write(opened.file, code, bytes) != ssize_t(bytes)) {
    reason = "it cannot be written to memory";
    return opened;
  }
  opened.library = dlopen(("/proc/self/fd/" + std::to_string(opened.file)).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (opened.library == nullptr) reason = dlerror();
  return opened;
}

struct NamedVariable {
  std::string name;
  emulator::SharedVariable variable;
};

/// The variables in the section of shared memory, from the table of symbols.
std::vector<NamedVariable> sharedVariables(const char* code, char* base) {
  std::vector<NamedVariable> found;
  Elf64_Ehdr header;
  memcpy(&header, code, sizeof header);
  const auto* sections = reinterpret_cast<const Elf64_Shdr*>(code + header.e_shoff);
  const char* names = code + sections[header.e_shstrndx].sh_offset;
  for (unsigned i = 0; i < header.e_shnum; i++) {
    if (sections[i].sh_type != SHT_SYMTAB) continue;
    const auto* symbols = reinterpret_cast<const Elf64_Sym*>(code + sections[i].sh_offset);
    const char* strings = code + sections[sections[i].sh_link].sh_offset;
    for (size_t k = 0; k < sections[i].sh_size / sizeof(Elf64_Sym); k++) {
      const Elf64_Sym& symbol = symbols[k];
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= header.e_shnum || ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT) continue;
      if (strcmp(names + sections[symbol.st_shndx].sh_name, "cuda_shared") != 0) continue;
      found.push_back({strings + symbol.st_name, {base + symbol.st_value, symbol.st_size}});
    }
  }
  return found;
}

/// Local variables of a function are named _ZZ<length><function>E... (Itanium C++ ABI, local entities).
bool isOf(const NamedVariable& variable, const emulator::KernelDescription& kernel) {
  const std::string prefix = "_ZZ" + std::to_string(strlen(kernel.name)) + kernel.name + "E";
  return variable.name.compare(0, prefix.size(), prefix) == 0;
}

/// Where the loader put the file's address 0.
char* baseOf(void* library) {
  link_map* map = nullptr;
  return dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 ? reinterpret_cast<char*>(map->l_addr) : nullptr;
}

}  // namespace

std::shared_ptr<Image> Image::load(const void* code, CUresult& result, std::string& reason) {
  const Settings& settings = driver().settings;
  std::string unpacked;
  const auto refuse = [&](CUresult with, const std::string& because) {
    result = with;
    reason = because;
    return nullptr;
  };
  if (memcmp(code, ELFMAG, SELFMAG) != 0) {
    unpacked = fromPtx(static_cast<const char*>(code), settings, result, reason);
    if (unpacked.empty()) return nullptr;
    code = unpacked.data();
  }
  Elf64_Ehdr header;
  memcpy(&header, code, sizeof header);
  if (header.e_machine == cudaMachine) return refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, "it is machine code of a real device");
  Opened opened = open(code, elfBytes(code), reason);
  const auto refuseOpened = [&](CUresult with, const std::string& because) {
    opened.close();
    return refuse(with, because);
  };
  if (opened.library == nullptr) return refuseOpened(CUDA_ERROR_INVALID_IMAGE, reason);
  const auto* description = static_cast<const emulator::ImageDescription*>(dlsym(opened.library, emulator::imageSymbol));
  if (description == nullptr || description->version != emulator::imageVersion) return refuseOpened(CUDA_ERROR_INVALID_IMAGE, "it is no image of this emulator");
  if (unpacked.empty() && !runsOn(description->architecture, settings)) {
    return refuseOpened(CUDA_ERROR_NO_BINARY_FOR_GPU,
                        std::string("it is for ") + description->architecture + ", and the device is sm_" + std::to_string(settings.major) + std::to_string(settings.minor));
  }
  std::shared_ptr<Image> image(new Image(opened.library, opened.file, description));
  const std::vector<NamedVariable> variables = sharedVariables(static_cast<const char*>(code), baseOf(opened.library));
  for (uint32_t i = 0; i < description->kernels; i++) {
    const emulator::KernelDescription& kernel = description->kernel[i];
    CUfunc_st function{image.get(), &kernel, 0, {}, 0};
    for (const NamedVariable& one : variables) {
      const bool own = isOf(one, kernel);
      bool others = false;
      for (uint32_t k = 0; k < description->kernels; k++) others = others || (k != i && isOf(one, description->kernel[k]));
      if (own) function.staticSharedBytes += one.variable.bytes;
      if (!others) function.shared.push_back(one.variable);
    }
    if (function.staticSharedBytes > emulator::maxStaticSharedBytes) {
      return refuse(CUDA_ERROR_INVALID_IMAGE, std::string("kernel \"") + kernel.name + "\" has " + std::to_string(function.staticSharedBytes) + " bytes of static shared memory, and ptxas allows 49152");
    }
    function.maxDynamicSharedBytes = emulator::maxStaticSharedBytes - function.staticSharedBytes;
    image->functions_.push_back(std::move(function));
  }
  result = CUDA_SUCCESS;
  return image;
}

Image::~Image() { Opened{file_, library_}.close(); }

CUfunc_st* Image::find(const char* name) {
  for (CUfunc_st& function : functions_) {
    if (strcmp(function.description->name, name) == 0) return &function;
  }
  return nullptr;
}

size_t sharedBytesOf(const Settings& settings) {
  // "Maximum amount of shared memory per thread block", CUDA C++ Programming Guide, technical specifications.
  switch (10 * settings.major + settings.minor) {
    case 80: case 87: return 163 * 1024;
    case 86: case 89: case 120: return 99 * 1024;
    case 75: return 64 * 1024;
    case 70: return 96 * 1024;
    default: return settings.major >= 9 ? 227 * 1024 : 48 * 1024;
  }
}

}  // namespace tsdlc::standin
