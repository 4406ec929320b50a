//! The frameworks that the portal is served through, and what is to hold on each of them.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framework {
    Axum,
    Actix,
}

impl Framework {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::Actix => "actix",
        }
    }
}

/// Two `#[tokio::test]`s of each function, which is told the framework. One that is missing here is
/// dead code, at which the compiler complains.
#[macro_export]
macro_rules! on_each_framework {
    ([$($base:tt)*] $($module:ident { $($test:ident)* })*) => {
        $crate::on_each_framework! { @one axum Axum [$($base)*] $($module { $($test)* })* }
        $crate::on_each_framework! { @one actix Actix [$($base)*] $($module { $($test)* })* }
    };
    (@one $name:ident $framework:ident $base:tt $($module:ident { $($test:ident)* })*) => {
        mod $name {
            $(mod $module {
                $crate::on_each_framework! { @tests $framework $base $module $($test)* }
            })*
        }
    };
    (@tests $framework:ident $base:tt $module:ident $($test:ident)*) => {
        $($crate::on_each_framework! { @test $framework $base $module $test })*
    };
    (@test $framework:ident [$($base:tt)*] $module:ident $test:ident) => {
        #[tokio::test]
        async fn $test() {
            $($base)*::$module::$test($crate::frameworks::Framework::$framework).await;
        }
    };
}
