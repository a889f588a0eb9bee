# Toolchain for a cross build to 64-bit ARM. jansson, xxhash and cmocka come from PENSTOCK_ARM64_SYSROOT, which
# scripts/arm64-sysroot.sh fills.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PENSTOCK_ARM64_SYSROOT)
if(NOT PENSTOCK_ARM64_SYSROOT)
    message(FATAL_ERROR "PENSTOCK_ARM64_SYSROOT must name the folder that scripts/arm64-sysroot.sh filled")
endif()
set(ENV{PKG_CONFIG_LIBDIR} "${PENSTOCK_ARM64_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${PENSTOCK_ARM64_SYSROOT}")
set(CMAKE_FIND_ROOT_PATH "${PENSTOCK_ARM64_SYSROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
# Debian puts headers that differ between machines (hwloc's configuration) here; only a native compiler looks by itself.
set(CMAKE_C_FLAGS_INIT "-isystem ${PENSTOCK_ARM64_SYSROOT}/usr/include/aarch64-linux-gnu")
