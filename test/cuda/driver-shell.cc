// A command line for the CUDA driver: reads calls from standard input, one a line, and prints the result of each. So a
// test in TypeScript says what a program would do, call by call, to the stand-in or to a real libcuda.
//
//   driver-shell libcuda.so.1 <script
//
// Each line prints the CUresult and what the call gave. Handles have names that the script chooses; a buffer's contents
// are files. "-" is the default stream. A call whose operand is missing, because an earlier call failed, prints -1.

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "stand-in/cuda-driver.h"

namespace {

void* library;

/// Calls a function of the library; its arguments must have the exact types of its declaration.
template <typename... Arguments>
CUresult call(const char* name, Arguments... arguments) {
  auto* function = reinterpret_cast<CUresult (*)(Arguments...)>(dlsym(library, name));
  if (function == nullptr) {
    fprintf(stderr, "driver-shell: the library has no %s\n", name);
    exit(2);
  }
  return function(arguments...);
}

struct Buffer {
  CUdeviceptr address;
  size_t bytes;
};

std::map<std::string, Buffer> buffers;
std::map<std::string, void*> handles;
std::map<std::string, std::vector<char>> hostMemory;
std::map<std::string, void*> pinned;
int called = 0;

/// A call that cannot be made, because the one that would have made its operand failed.
struct NotCalled {
  std::string missing;
};

template <typename Handle>
Handle handle(const std::string& name) {
  if (name == "-") return nullptr;
  const auto found = handles.find(name);
  if (found == handles.end()) throw NotCalled{name};
  return static_cast<Handle>(found->second);
}

const Buffer& buffer(const std::string& name) {
  const auto found = buffers.find(name);
  if (found == buffers.end()) throw NotCalled{name};
  return found->second;
}

template <typename Handle>
CUresult keep(const std::string& name, CUresult result, Handle made) {
  if (result == CUDA_SUCCESS) handles[name] = made;
  return result;
}

std::vector<char> fileBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    fprintf(stderr, "driver-shell: cannot read %s\n", path.c_str());
    exit(2);
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void writeFile(const std::string& path, const char* bytes, size_t count) { std::ofstream(path, std::ios::binary).write(bytes, std::streamsize(count)); }

using Words = std::vector<std::string>;

size_t number(const std::string& text) { return std::stoull(text); }

/// An argument of a kernel: u32:7, f32:0.5, or a buffer, perhaps with an offset in bytes (x+16).
void append(const std::string& word, std::vector<uint64_t>& values) {
  uint64_t value = 0;
  if (word.rfind("u32:", 0) == 0) {
    value = uint32_t(number(word.substr(4)));
  } else if (word.rfind("f32:", 0) == 0) {
    const float real = std::stof(word.substr(4));
    memcpy(&value, &real, sizeof real);
  } else {
    const size_t plus = word.find('+');
    value = buffer(word.substr(0, plus)).address + (plus == std::string::npos ? 0 : number(word.substr(plus + 1)));
  }
  values.push_back(value);
}

/// launch kernel grid block shared-bytes stream arguments...
CUresult launch(const Words& words) {
  std::vector<uint64_t> values;
  for (size_t i = 6; i < words.size(); i++) append(words[i], values);
  std::vector<void*> pointers;
  for (uint64_t& value : values) pointers.push_back(&value);
  return call("cuLaunchKernel", handle<CUfunction>(words[1]), unsigned(number(words[2])), 1u, 1u, unsigned(number(words[3])), 1u, 1u, unsigned(number(words[4])),
              handle<CUstream>(words[5]), pointers.data(), static_cast<void**>(nullptr));
}

using Command = std::function<CUresult(const Words& words, std::ostream& out)>;

const std::map<std::string, Command>& commands() {
  static const std::map<std::string, Command> table = {
      {"set", [](const Words& w, std::ostream&) { return call("standin_configure", w[1].c_str(), w[2].c_str()); }},
      {"message",
       [](const Words&, std::ostream& out) {
         char text[1024];
         reinterpret_cast<void (*)(char*, size_t)>(dlsym(library, "standin_message"))(text, sizeof text);
         out << text;
         return CUDA_SUCCESS;
       }},
      {"init", [](const Words&, std::ostream&) { return call("cuInit", 0u); }},
      {"version",
       [](const Words&, std::ostream& out) {
         int version = 0;
         const CUresult result = call("cuDriverGetVersion", &version);
         out << version;
         return result;
       }},
      {"attribute",
       [](const Words& w, std::ostream& out) {
         int value = 0;
         const CUresult result = call("cuDeviceGetAttribute", &value, CUdevice_attribute(number(w[1])), CUdevice(0));
         out << value;
         return result;
       }},
      {"context",
       [](const Words&, std::ostream&) {
         CUcontext context;
         const CUresult result = call("cuDevicePrimaryCtxRetain", &context, CUdevice(0));
         return result == CUDA_SUCCESS ? call("cuCtxSetCurrent", context) : result;
       }},
      {"release", [](const Words&, std::ostream&) { return call("cuDevicePrimaryCtxRelease_v2", CUdevice(0)); }},
      {"synchronize", [](const Words&, std::ostream&) { return call("cuCtxSynchronize"); }},
      {"library",
       [](const Words& w, std::ostream&) {
         CUlibrary made = nullptr;
         const std::vector<char> code = [&] { auto bytes = fileBytes(w[2]); bytes.push_back(0); return bytes; }();
         const CUresult result = call("cuLibraryLoadData", &made, static_cast<const void*>(code.data()), static_cast<CUjit_option*>(nullptr),
                                      static_cast<void**>(nullptr), 0u, static_cast<CUlibraryOption*>(nullptr), static_cast<void**>(nullptr), 0u);
         return keep(w[1], result, made);
       }},
      {"unload", [](const Words& w, std::ostream&) { return call("cuLibraryUnload", handle<CUlibrary>(w[1])); }},
      {"kernel",
       [](const Words& w, std::ostream&) {
         CUkernel kernel = nullptr;
         const CUresult found = call("cuLibraryGetKernel", &kernel, handle<CUlibrary>(w[2]), w[3].c_str());
         if (found != CUDA_SUCCESS) return found;
         CUfunction made = nullptr;
         const CUresult result = call("cuKernelGetFunction", &made, kernel);
         return keep(w[1], result, made);
       }},
      {"module",
       [](const Words& w, std::ostream&) {
         CUmodule made = nullptr;
         const std::vector<char> code = [&] { auto bytes = fileBytes(w[2]); bytes.push_back(0); return bytes; }();
         const CUresult result = call("cuModuleLoadData", &made, static_cast<const void*>(code.data()));
         return keep(w[1], result, made);
       }},
      {"function",
       [](const Words& w, std::ostream&) {
         CUfunction made = nullptr;
         const CUresult result = call("cuModuleGetFunction", &made, handle<CUmodule>(w[2]), w[3].c_str());
         return keep(w[1], result, made);
       }},
      {"function-attribute",
       [](const Words& w, std::ostream& out) {
         int value = 0;
         const CUresult result = call("cuFuncGetAttribute", &value, CUfunction_attribute(number(w[2])), handle<CUfunction>(w[1]));
         out << value;
         return result;
       }},
      {"allow-shared",
       [](const Words& w, std::ostream&) {
         return call("cuFuncSetAttribute", handle<CUfunction>(w[1]), CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, int(number(w[2])));
       }},
      {"allocate",
       [](const Words& w, std::ostream&) {
         Buffer made{0, number(w[2])};
         const CUresult result = w.size() > 3 ? call("cuMemAllocAsync", &made.address, made.bytes, handle<CUstream>(w[3])) : call("cuMemAlloc_v2", &made.address, made.bytes);
         if (result == CUDA_SUCCESS) buffers[w[1]] = made;
         return result;
       }},
      {"free",
       [](const Words& w, std::ostream&) {
         const CUdeviceptr address = buffer(w[1]).address;
         return w.size() > 2 ? call("cuMemFreeAsync", address, handle<CUstream>(w[2])) : call("cuMemFree_v2", address);
       }},
      {"memory",
       [](const Words&, std::ostream& out) {
         size_t unused = 0, total = 0;
         const CUresult result = call("cuMemGetInfo_v2", &unused, &total);
         out << unused << " " << total;
         return result;
       }},
      // write buffer file stream
      {"write",
       [](const Words& w, std::ostream&) {
         const std::vector<char>& bytes = hostMemory[w[1] + " from " + w[2]] = fileBytes(w[2]);
         return call("cuMemcpyHtoDAsync_v2", buffer(w[1]).address, static_cast<const void*>(bytes.data()), bytes.size(), handle<CUstream>(w[3]));
       }},
      // read buffer file stream
      {"read",
       [](const Words& w, std::ostream&) {
         const Buffer& from = buffer(w[1]);
         std::vector<char> bytes(from.bytes);
         const CUresult result = call("cuMemcpyDtoHAsync_v2", static_cast<void*>(bytes.data()), from.address, bytes.size(), handle<CUstream>(w[3]));
         writeFile(w[2], bytes.data(), bytes.size());
         return result;
       }},
      {"copy",
       [](const Words& w, std::ostream&) {
         const Buffer& to = buffer(w[1]);
         return call("cuMemcpyDtoDAsync_v2", to.address, buffer(w[2]).address, to.bytes, handle<CUstream>(w[3]));
       }},
      {"fill",
       [](const Words& w, std::ostream&) {
         const Buffer& to = buffer(w[1]);
         return call("cuMemsetD8Async", to.address, static_cast<unsigned char>(number(w[2])), to.bytes, handle<CUstream>(w[3]));
       }},
      {"pin",
       [](const Words& w, std::ostream&) {
         void* made = nullptr;
         const CUresult result = call("cuMemHostAlloc", &made, number(w[2]), 0u);
         if (result == CUDA_SUCCESS) pinned[w[1]] = made;
         return result;
       }},
      // pinned memory: to the device, from it, a file into it, it into a file
      {"pinned-write",
       [](const Words& w, std::ostream&) {
         const Buffer& to = buffer(w[2]);
         return call("cuMemcpyHtoDAsync_v2", to.address, static_cast<const void*>(pinned.at(w[1])), to.bytes, handle<CUstream>(w[3]));
       }},
      {"pinned-read",
       [](const Words& w, std::ostream&) {
         const Buffer& from = buffer(w[2]);
         return call("cuMemcpyDtoHAsync_v2", pinned.at(w[1]), from.address, from.bytes, handle<CUstream>(w[3]));
       }},
      {"pinned-load",
       [](const Words& w, std::ostream&) {
         const std::vector<char> bytes = fileBytes(w[2]);
         memcpy(pinned.at(w[1]), bytes.data(), bytes.size());
         return CUDA_SUCCESS;
       }},
      {"pinned-save",
       [](const Words& w, std::ostream&) {
         writeFile(w[2], static_cast<const char*>(pinned.at(w[1])), number(w[3]));
         return CUDA_SUCCESS;
       }},
      {"stream",
       [](const Words& w, std::ostream&) {
         CUstream made = nullptr;
         const CUresult result = call("cuStreamCreate", &made, unsigned(w.size() > 2 ? number(w[2]) : size_t{CU_STREAM_NON_BLOCKING}));
         return keep(w[1], result, made);
       }},
      {"wait", [](const Words& w, std::ostream&) { return call("cuStreamSynchronize", handle<CUstream>(w[1])); }},
      {"query", [](const Words& w, std::ostream&) { return call("cuStreamQuery", handle<CUstream>(w[1])); }},
      {"event",
       [](const Words& w, std::ostream&) {
         CUevent made = nullptr;
         const CUresult result = call("cuEventCreate", &made, unsigned(CU_EVENT_DEFAULT));
         return keep(w[1], result, made);
       }},
      {"record", [](const Words& w, std::ostream&) { return call("cuEventRecord", handle<CUevent>(w[1]), handle<CUstream>(w[2])); }},
      {"wait-event", [](const Words& w, std::ostream&) { return call("cuStreamWaitEvent", handle<CUstream>(w[1]), handle<CUevent>(w[2]), 0u); }},
      {"event-wait", [](const Words& w, std::ostream&) { return call("cuEventSynchronize", handle<CUevent>(w[1])); }},
      {"event-query", [](const Words& w, std::ostream&) { return call("cuEventQuery", handle<CUevent>(w[1])); }},
      {"elapsed",
       [](const Words& w, std::ostream& out) {
         float milliseconds = 0;
         const CUresult result = call("cuEventElapsedTime", &milliseconds, handle<CUevent>(w[1]), handle<CUevent>(w[2]));
         out << milliseconds;
         return result;
       }},
      {"launch", [](const Words& w, std::ostream&) { return launch(w); }},
      {"call-host", [](const Words& w, std::ostream&) { return call("cuLaunchHostFunc", handle<CUstream>(w[1]), CUhostFn([](void*) { called++; }), static_cast<void*>(nullptr)); }},
      {"called",
       [](const Words&, std::ostream& out) {
         out << called;
         return CUDA_SUCCESS;
       }},
      {"capture",
       [](const Words& w, std::ostream&) { return call("cuStreamBeginCapture_v2", handle<CUstream>(w[1]), CUstreamCaptureMode(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)); }},
      {"end-capture",
       [](const Words& w, std::ostream&) {
         CUgraph made = nullptr;
         const CUresult result = call("cuStreamEndCapture", handle<CUstream>(w[1]), &made);
         return keep(w[2], result, made);
       }},
      {"instantiate",
       [](const Words& w, std::ostream&) {
         CUgraphExec made = nullptr;
         const CUresult result = call("cuGraphInstantiateWithFlags", &made, handle<CUgraph>(w[2]), 0ull);
         return keep(w[1], result, made);
       }},
      {"launch-graph", [](const Words& w, std::ostream&) { return call("cuGraphLaunch", handle<CUgraphExec>(w[1]), handle<CUstream>(w[2])); }},
      {"error-name",
       [](const Words& w, std::ostream& out) {
         const char* name = nullptr;
         const CUresult result = call("cuGetErrorName", CUresult(number(w[1])), &name);
         out << (name == nullptr ? "" : name);
         return result;
       }},
      {"address-of",
       [](const Words& w, std::ostream& out) {
         void* found = nullptr;
         CUdriverProcAddressQueryResult status = CU_GET_PROC_ADDRESS_SUCCESS;
         const CUresult result = call("cuGetProcAddress_v2", w[1].c_str(), &found, 13000, cuuint64_t{0}, &status);
         out << (found == dlsym(library, w[2].c_str()) && found != nullptr ? "same" : "other");
         return result;
       }},
      {"sleep",
       [](const Words& w, std::ostream&) {
         usleep(unsigned(number(w[1])));
         return CUDA_SUCCESS;
       }},
  };
  return table;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2 || (library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL)) == nullptr) {
    fprintf(stderr, "driver-shell: %s\n", count == 2 ? dlerror() : "name a libcuda");
    return 2;
  }
  bool failed = false;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream text(line);
    const Words words{std::istream_iterator<std::string>(text), std::istream_iterator<std::string>()};
    const auto found = words.empty() ? commands().end() : commands().find(words[0]);
    if (found == commands().end()) {
      fprintf(stderr, "driver-shell: no command \"%s\"\n", line.c_str());
      return 2;
    }
    std::ostringstream out;
    int result = 0;
    try {
      result = found->second(words, out);
    } catch (const NotCalled& missing) {
      if (!failed) {
        fprintf(stderr, "driver-shell: nothing is named \"%s\"\n", missing.missing.c_str());
        return 2;
      }
      result = -1;
    }
    failed = failed || result != CUDA_SUCCESS;
    std::cout << result << " " << out.str() << std::endl;
  }
  return 0;
}
