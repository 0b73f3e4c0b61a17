# LibTorch as imported targets of our own, from the folders of the PyPI wheel (torch/ and nvidia/ below
# SKYTRAIN_TORCH_DIR). The wheel's own find_package(Torch) needs a CUDA toolkit even where only the CPU part is wanted.
#   skytrain::torch        libtorch_cpu + libc10: what the worker links.
#   skytrain::torch_cuda   libtorch_cuda + libc10_cuda: what only the GPU plug-in links. Absent without a toolkit.
set(SKYTRAIN_TORCH_ROOT "${SKYTRAIN_TORCH_DIR}/torch")
if(NOT EXISTS "${SKYTRAIN_TORCH_ROOT}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "No LibTorch in ${SKYTRAIN_TORCH_DIR}. Run deploy/install_deps, which puts it there, or configure "
                      "with -DSKYTRAIN_WITH_TORCH=OFF to build without the worker.")
endif()
file(READ "${SKYTRAIN_TORCH_ROOT}/version.py" skytrain_torch_version_py)
string(REGEX MATCH "__version__ = '([0-9.]+)" _ "${skytrain_torch_version_py}")
set(SKYTRAIN_TORCH_VERSION "${CMAKE_MATCH_1}")
set(SKYTRAIN_TORCH_RPATH "${SKYTRAIN_TORCH_ROOT}/lib;${SKYTRAIN_TORCH_DIR}/nvidia/cu13/lib")

# The wheel ships headers of an old protobuf. Units that use both must find the system's first.
set(skytrain_torch_shadow "${CMAKE_BINARY_DIR}/torch_shadow")
file(MAKE_DIRECTORY "${skytrain_torch_shadow}")
list(GET Protobuf_INCLUDE_DIRS 0 skytrain_protobuf_include)
file(CREATE_LINK "${skytrain_protobuf_include}/google" "${skytrain_torch_shadow}/google" SYMBOLIC)

# Every wheel since 2.7 uses the new C++11 ABI of libstdc++; an older or self-made one would fail at link time with a
# page of undefined symbols, so look now.
file(STRINGS "${SKYTRAIN_TORCH_ROOT}/lib/libc10.so" skytrain_torch_new_abi REGEX "cxx11" LIMIT_COUNT 1)
if(NOT skytrain_torch_new_abi)
  message(FATAL_ERROR "${SKYTRAIN_TORCH_ROOT} was built with the old C++ ABI of libstdc++; skytrain needs torch 2.11.0.")
endif()

# skytrain_import_torch_libraries(NAME…): makes lib<NAME>.so of the wheel known as skytrain_imported_<NAME>.
function(skytrain_import_torch_libraries)
  foreach(library IN LISTS ARGN)
    add_library(skytrain_imported_${library} SHARED IMPORTED GLOBAL)
    set_target_properties(skytrain_imported_${library} PROPERTIES
      IMPORTED_LOCATION "${SKYTRAIN_TORCH_ROOT}/lib/lib${library}.so" IMPORTED_SONAME "lib${library}.so")
  endforeach()
endfunction()
skytrain_import_torch_libraries(c10 torch_cpu)

add_library(skytrain_torch INTERFACE)
add_library(skytrain::torch ALIAS skytrain_torch)
target_include_directories(skytrain_torch SYSTEM INTERFACE
  "${skytrain_torch_shadow}"
  "${SKYTRAIN_TORCH_ROOT}/include" "${SKYTRAIN_TORCH_ROOT}/include/torch/csrc/api/include")
target_compile_definitions(skytrain_torch INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)
target_link_libraries(skytrain_torch INTERFACE skytrain_imported_torch_cpu skytrain_imported_c10)
# at::parallel_for is a template, parallel only where the caller is compiled with OpenMP. The run time must be that of
# LibTorch, or there were two sets of threads; so not with clang, whose OpenMP has another, and not under ThreadSanitizer,
# which does not see this one's barriers.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT CMAKE_CXX_FLAGS MATCHES "sanitize=thread")
  target_compile_options(skytrain_torch INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-fopenmp>")
  add_library(skytrain_imported_gomp SHARED IMPORTED GLOBAL)
  set_target_properties(skytrain_imported_gomp PROPERTIES
    IMPORTED_LOCATION "${SKYTRAIN_TORCH_ROOT}/lib/libgomp.so.1" IMPORTED_SONAME "libgomp.so.1")
  target_link_libraries(skytrain_torch INTERFACE skytrain_imported_gomp)
endif()
# libtorch_cpu itself asks for libcudart and libcupti; the linker looks for them here.
target_link_options(skytrain_torch INTERFACE "LINKER:-rpath-link,${SKYTRAIN_TORCH_DIR}/nvidia/cu13/lib")

# Sets what a program or a shared library needs to find LibTorch when it runs.
function(skytrain_use_torch target)
  set_target_properties(${target} PROPERTIES
    BUILD_RPATH "${SKYTRAIN_TORCH_RPATH}" INSTALL_RPATH "$ORIGIN;${SKYTRAIN_TORCH_RPATH}")
endfunction()

# GPU plug-in: built where nvcc and the toolkit's headers are, GPU or not.
set(SKYTRAIN_BUILD_GPU OFF)
if(SKYTRAIN_WITH_CUDA AND EXISTS "${SKYTRAIN_TORCH_ROOT}/lib/libtorch_cuda.so")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_ARCHITECTURES "80-real;90" CACHE STRING "GPU architectures (90 also as PTX)")
    set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    skytrain_import_torch_libraries(c10_cuda torch_cuda)
    add_library(skytrain_torch_cuda INTERFACE)
    add_library(skytrain::torch_cuda ALIAS skytrain_torch_cuda)
    target_include_directories(skytrain_torch_cuda SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS})
    # --allow-shlib-undefined: libtorch_cuda asks for cuDNN, NCCL and others that only a GPU machine has installed.
    target_link_options(skytrain_torch_cuda INTERFACE "LINKER:--allow-shlib-undefined" "LINKER:--no-as-needed")
    target_link_libraries(skytrain_torch_cuda INTERFACE
      skytrain_torch skytrain_imported_torch_cuda skytrain_imported_c10_cuda)
    set(SKYTRAIN_BUILD_GPU ON)
  endif()
endif()
message(STATUS "LibTorch ${SKYTRAIN_TORCH_VERSION} in ${SKYTRAIN_TORCH_ROOT}; GPU plug-in: ${SKYTRAIN_BUILD_GPU}")
