/* Everything: include this, or the headers it names one by one. */
#ifndef QUERN_H
#define QUERN_H

#include <quern/attention.h>
#include <quern/attr.h>
#include <quern/base.h>
#include <quern/context.h>
#include <quern/driver.h>
#include <quern/engine.h>
#include <quern/import.h>
#include <quern/module.h>
#include <quern/num.h>
#include <quern/pass.h>
#include <quern/report.h>
#include <quern/scalar.h>
#include <quern/schemes.h>
#include <quern/store.h>
#include <quern/text.h>
#include <quern/tuning.h>
#include <quern/type.h>

#endif
