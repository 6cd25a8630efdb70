# SPDX-License-Identifier: BSD-3-Clause
#
# Cross toolchain: Debian's gcc for arm64, with the libraries that "test/setup.sh arm64" has unpacked (foreign.sh).
set(VIO_ARM64_ROOT "" CACHE PATH "Folder with Debian's arm64 libraries")
if(NOT VIO_ARM64_ROOT)
  if(DEFINED ENV{VIO_GUEST_CACHE})
    file(REAL_PATH "$ENV{VIO_GUEST_CACHE}/root-arm64" VIO_ARM64_ROOT)
  else()
    file(REAL_PATH "${CMAKE_CURRENT_LIST_DIR}/../../build/guest/root-arm64" VIO_ARM64_ROOT)
  endif()
  set_property(CACHE VIO_ARM64_ROOT PROPERTY VALUE "${VIO_ARM64_ROOT}")
endif()
if(NOT EXISTS "${VIO_ARM64_ROOT}/usr/include")
  message(FATAL_ERROR "${VIO_ARM64_ROOT} does not hold Debian's arm64 libraries: run test/setup.sh arm64 first.")
endif()
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES VIO_ARM64_ROOT)

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_SYSROOT "${VIO_ARM64_ROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

set(ENV{PKG_CONFIG_SYSROOT_DIR} "${VIO_ARM64_ROOT}")
set(ENV{PKG_CONFIG_LIBDIR} "${VIO_ARM64_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${VIO_ARM64_ROOT}/usr/share/pkgconfig")
