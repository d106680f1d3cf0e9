/* Observer states as a module keeps them: attributes of its quern.observe ops. */
#ifndef QN_STATES_H
#define QN_STATES_H
#include <quern/module.h>
#include <quern/unstable/observe.h>

/* The next quern.observe after `at` in program order, in all functions; `at` null gives the first. */
qn_op qn__next_observer(const qn_module *m, qn_op at);
/* Records the state and the range it gives now. One that saw nothing leaves no attributes. */
qn_status qn__state_write(qn_module *m, qn_op op, qn_observer *o);
void qn__state_clear(qn_module *m, qn_op op);
#endif
