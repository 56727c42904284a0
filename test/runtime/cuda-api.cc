// Compiled by cuda-api.test.ts with real headers: every constant and prototype of native/src/cuda/driver-api.h must agree
// with cuda.h, and those of nvrtc.h there with NVIDIA's nvrtc.h. Enumerations count as int, handles as pointers, as the binary interface has them.

#include <cuda.h>
#include <nvrtc.h>

#include <type_traits>

#include "../../native/src/cuda/driver-api.h"
#include "../../native/src/cuda/nvrtc.h"

template <typename Type>
struct Is {
  using type = Type;
};

template <typename Type>
constexpr auto binary() {
  if constexpr (std::is_enum_v<Type>) return Is<int>{};
  else if constexpr (std::is_const_v<Type>) return Is<const typename decltype(binary<std::remove_const_t<Type>>())::type>{};
  else if constexpr (std::is_pointer_v<Type> && std::is_class_v<std::remove_cv_t<std::remove_pointer_t<Type>>>) return Is<void*>{};
  else if constexpr (std::is_pointer_v<Type>) return Is<typename decltype(binary<std::remove_pointer_t<Type>>())::type*>{};
  else return Is<Type>{};
}

template <typename Function>
struct Prototype;
template <typename Result, typename... Parameters>
struct Prototype<Result (*)(Parameters...)> {
  using type = typename decltype(binary<Result>())::type (*)(typename decltype(binary<Parameters>())::type...);
};

template <typename Ours, typename Real>
constexpr bool agree = std::is_same_v<typename Prototype<Ours>::type, typename Prototype<Real>::type>;

#define CONSTANT(name, value) static_assert(static_cast<int>(::name) == value, #name);
TSDLC_CUDA_CONSTANTS(CONSTANT)

#define FUNCTION(name, parameters)                      \
  namespace tsdlc::cuda {                               \
  using name##_type = CUresult(*) parameters;           \
  }                                                     \
  static_assert(agree<tsdlc::cuda::name##_type, decltype(&::name)>, #name);
TSDLC_CUDA_FUNCTIONS(FUNCTION)
TSDLC_CUDA_LIBRARY_FUNCTIONS(FUNCTION)

#define NVRTC_FUNCTION(name, result, parameters)              \
  namespace tsdlc::cuda {                                     \
  using name##_type = result(*) parameters;                   \
  }                                                           \
  static_assert(agree<tsdlc::cuda::name##_type, decltype(&::name)>, #name);
TSDLC_NVRTC_FUNCTIONS(NVRTC_FUNCTION)
static_assert(NVRTC_SUCCESS == 0 && NVRTC_ERROR_COMPILATION == 6);
